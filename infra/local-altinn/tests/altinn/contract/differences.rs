//! The known differences between the local Altinn and the recordings, and the reason for each.

use crate::recorded::table::Row;

const ANNOTATIONS: &str = "the words of .NET's data annotations";
const TEXT_JSON: &str = "the words of System.Text.Json, and the place that they name";
const MORE: &str = "more instances were there from conversations before";
const RECEIPT: &str = "a receipt made by localtest's stub of the PDF service";
const REGISTER: &str = "the local Altinn has no register to ask over HTTP";
const EVENTS: &str =
    "localtest's stub of Events was recorded here; tests/recorded/events has the real one";
const LOCALTEST: &str = "localtest publishes its keys and metadata at another address";
const OLDER_HEADERS: &str = "an app sends the headers of today's library, whatever it runs on";
const OLDER_FIELDS: &str = "an app writes every field of today's library, whatever it runs on";
const NEXT_FILES: &str = "the v9 app was recorded with an applicationmetadata.json of its own";

const fn row(conversations: &'static str, at: &'static str, why: &'static str) -> Row {
    Row {
        conversations,
        at,
        why,
    }
}

pub(crate) const TABLE: &[Row] = &[
    // Texts that no client interprets.
    row("app-validate", "body[].code", ANNOTATIONS),
    row("app-validate", "body[].description", ANNOTATIONS),
    row(
        "app-process-next-invalid",
        "body.validationIssues[].code",
        ANNOTATIONS,
    ),
    row(
        "app-process-next-invalid",
        "body.validationIssues[].description",
        ANNOTATIONS,
    ),
    row(
        "create-template-array create-template-bad-date create-template-broken",
        "text",
        "the words of Newtonsoft's exceptions",
    ),
    row("create-simplified-broken", "body.errors.$", TEXT_JSON),
    row(
        "create-simplified-broken",
        "body.errors.$.instanceOwner",
        TEXT_JSON,
    ),
    row(
        "create-simplified-number-value",
        "body.errors.$.prefill.antall[]",
        TEXT_JSON,
    ),
    // Callers.
    row(
        "query-user-party",
        "status",
        "users find their instances in the portal; here, only service owners query",
    ),
    row(
        "create-garbage-token",
        "status",
        "a token without a readable header is an exception there; here it is one more bad token",
    ),
    row(
        "app-process-next-confirm-owner",
        "status",
        "the policy beside the recordings lets the service owner confirm; the recorded app's did not",
    ),
    // One host for all apps.
    row(
        "app-metadata-unknown create-unknown-app",
        "status",
        "an app that is not there is answered by another app of the same host; in the cloud, and here, by nobody",
    ),
    // The state before the request.
    row(
        "app-active app-active-one app-active-owner",
        "body.length",
        MORE,
    ),
    row("app-active", "body[].presentationTexts.tekst", MORE),
    row(
        "app-active app-active-one app-active-owner",
        "body[].lastChangedBy",
        "the name is the register's; there it is that of Altinn's list of organisations",
    ),
    // Receipts.
    row(
        "app-instance-permit-ended storage-instance-permit-ended storage-instance-task2",
        "body.data[].size",
        RECEIPT,
    ),
    row("storage-data-pdf", "text", RECEIPT),
    // Other services.
    row(
        "register-lookup-organisation register-lookup-person register-party register-party-organisation",
        "status",
        REGISTER,
    ),
    row(
        "register-lookup-unknown register-party-unknown",
        "headers.*",
        REGISTER,
    ),
    row(
        "events-list events-subscribe-http events-subscribe-no-token",
        "status",
        EVENTS,
    ),
    row(
        "events-subscribe events-subscribe-again",
        "headers.location",
        EVENTS,
    ),
    row("events-subscribe events-subscribe-again", "body.*", EVENTS),
    row("auth-openid", "body.issuer", LOCALTEST),
    row("auth-openid", "body.*_endpoint", LOCALTEST),
    row("auth-jwks", "exact", LOCALTEST),
    // Older libraries.
    row(
        "v7.15.3-* v8.0.0-*",
        "headers.referrer-policy",
        OLDER_HEADERS,
    ),
    row(
        "v7.15.3-app-* v8.0.0-app-metadata-casework v8.0.0-app-process-next-ended",
        "headers.cache-control",
        OLDER_HEADERS,
    ),
    row(
        "v7.15.3-app-metadata-casework",
        "body.features.processActions",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.dataTypes[].*",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework",
        "body.altinnNugetVersion",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework",
        "body.disallowUserInstantiation",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.externalApiIds",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.preventInstanceDeletionForDays",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.apiScopes",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.access",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.storageAccountNumber",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.homepage",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.keywords",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.description",
        OLDER_FIELDS,
    ),
    row(
        "v7.15.3-app-metadata-casework v8.0.0-app-metadata-casework",
        "body.contactPoints",
        OLDER_FIELDS,
    ),
    row(
        "v8.0.0-app-data-post-form v8.0.0-app-data-post-over-max v8.0.0-create-full",
        "body*.userDefinedMetadata",
        OLDER_FIELDS,
    ),
    row(
        "v8.0.0-app-data-post-form v8.0.0-app-data-post-over-max v8.0.0-create-full",
        "body*.metadata",
        OLDER_FIELDS,
    ),
    row(
        "v8.0.0-create-closed",
        "status",
        "no app overflows its stack here",
    ),
    row(
        "v8.0.0-create-closed",
        "left",
        "no app overflows its stack here",
    ),
    // The next generation.
    row("v9-metadata", "body.features.*", NEXT_FILES),
    row("v9-metadata", "body.onEntry", NEXT_FILES),
    row("v9-metadata", "body.promptForParty", NEXT_FILES),
];
