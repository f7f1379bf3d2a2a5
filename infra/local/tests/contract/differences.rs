//! What the local Altinn answers otherwise, and why that stays.

use crate::recorded::table::Row;

/// Where the XML reader of forms words a refusal.
const READER: &str = "the words of .NET's XML reader";
/// Where the form is stored in other bytes.
const WRITER: &str = "the form is stored as another serializer writes it";
const QUERY: &str = "the words and the binding of Storage's query";
const REGISTER: &str = "the local Altinn has no register to ask over HTTP";
const EVENTS: &str =
    "localtest's stub of Events was recorded here; tests/recorded/events has the real one";
const LOCALTEST: &str = "localtest publishes its keys and metadata at another address";

const fn row(conversations: &'static str, at: &'static str, why: &'static str) -> Row {
    Row {
        conversations,
        at,
        why,
    }
}

pub(crate) const TABLE: &[Row] = &[
    // The form.
    row(
        "app-complete* app-data-delete-attachment app-data-post-form-again app-data-put-form app-instance* app-substatus* create-* \
         down-*-complete down-*-substatus query-stamp-search* storage-instance* storage-data*",
        "*size",
        WRITER,
    ),
    row("app-data-form-xml storage-data-form*", "text", WRITER),
    row(
        "app-data-form* app-data-hard-deleted app-data-soft-deleted down-register-data",
        "body.rad[].verdi",
        "1.0 is read as 1",
    ),
    row(
        "app-data-form-attributes",
        "body.*",
        "attributes of a form are not read",
    ),
    row(
        "app-data-form-large-number",
        "status",
        "a decimal of 19 digits is not read",
    ),
    row(
        "create-form-* create-orphan* app-data-put-form-broken",
        "body.detail",
        READER,
    ),
    row("app-data-post-bad-form", "text", READER),
    row(
        "app-validate app-process-next-invalid",
        "body*description",
        "the words of .NET's data annotations",
    ),
    row(
        "app-validate app-process-next-invalid",
        "body*code",
        "the words of .NET's data annotations",
    ),
    // Storage's query.
    row(
        "query-created-bad-time query-created-no-operator query-created-twice query-identifier-* query-no-app",
        "headers.content-type",
        QUERY,
    ),
    row(
        "query-created-bad-time query-created-no-operator query-created-twice query-identifier-* query-no-app query-no-service-owner query-user",
        "class",
        QUERY,
    ),
    row("query-app-malformed query-size-negative", "status", QUERY),
    row(
        "query-size-text query-bool-text query-party-text",
        "body.errors.*",
        QUERY,
    ),
    row(
        "query-*",
        "body.next",
        "a page without a next has no such field, and the token of a size of 0 is not written",
    ),
    row(
        "query-page-* query-created-offset query-search query-task-encoded query-token-garbage query-identifier-unknown",
        "body.self",
        "the query is written back in another encoding",
    ),
    row("query-user-party", "status", "users do not query"),
    row(
        "query-no-service-owner query-user",
        "headers.content-type",
        QUERY,
    ),
    // Words that only a development environment has.
    row(
        "create-template-*",
        "text",
        "the words of Newtonsoft's exceptions",
    ),
    row(
        "create-simplified-broken create-simplified-number-value",
        "body.errors.*",
        "the words of System.Text.Json, and the place that they name",
    ),
    row(
        "create-garbage-token",
        "status",
        "a token without a readable header is an exception there; here it is one more bad token",
    ),
    // One host for all apps.
    row(
        "app-metadata-unknown create-unknown-app",
        "status",
        "an app that is not there is answered by another app of the same host; in the cloud, and here, by nobody",
    ),
    // What was there before.
    row(
        "app-active*",
        "body.length",
        "more instances were there from conversations before",
    ),
    row(
        "app-active",
        "body[].presentationTexts.tekst",
        "more instances were there from conversations before",
    ),
    row(
        "app-active*",
        "body[].lastChangedBy",
        "the name is the register's; there it is that of Altinn's list of organisations",
    ),
    row(
        "app-process-next-confirm-owner",
        "status",
        "the policy beside the recordings lets the service owner confirm; the recorded app's did not",
    ),
    // What a failed creation leaves.
    row(
        "create-filename-encoded create-filename-quotes",
        "left",
        "the parts before the one whose name Storage cannot read are stored there",
    ),
    // Receipts.
    row(
        "app-instance-permit-ended storage-instance-permit-ended storage-instance-task2",
        "body.data[].size",
        "a receipt made by localtest's stub of the PDF service",
    ),
    row(
        "storage-data-pdf",
        "text",
        "a receipt made by localtest's stub of the PDF service",
    ),
    // Other services.
    row("register-*", "*", REGISTER),
    row("events-*", "*", EVENTS),
    row("auth-openid", "body.*", LOCALTEST),
    row("auth-jwks", "exact", LOCALTEST),
];
