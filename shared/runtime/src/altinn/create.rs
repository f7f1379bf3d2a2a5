//! The one request that makes B: forms, attachments and stamp together.
//!
//! Attachments are streamed from A's Storage into the multipart body and never held whole. The stamp is in the instance
//! template, so even a B that its app left half-made carries it.

use std::sync::Arc;

use http::{StatusCode, header};
use reqwest::{
    Body, RequestBuilder, Response,
    multipart::{self, Part},
};
use serde_json::{Map, Value, json};
use stafett_core::{
    draft::Attachment,
    id::{AppId, InstanceId},
    instance::Instance,
    pace::Load,
    preflight::{CheckedDraft, Content, FORM_CONTENT_TYPE, SOURCE, STAMP},
    relay::{
        Reason, RelayId,
        answer::classify,
        decide::{CreateOutcome, Failure, Quiet, Reply},
    },
};

use super::{
    attachment::Progress,
    budget::Budget,
    client::Altinn,
    error::{self, AltinnErrorKind, transport},
    json, percent, refusal,
};
use crate::telemetry::Causes;

/// What came of the request that makes B.
#[derive(Debug)]
pub struct Answered {
    /// What that means for the relay.
    pub outcome: CreateOutcome,
    /// What it says of B's load.
    pub load: Load,
}

impl Answered {
    /// B was not asked.
    fn not(failure: Failure) -> Self {
        Self {
            outcome: CreateOutcome::NotSent(failure),
            load: Load::Unknown,
        }
    }
}

impl Altinn {
    /// Sends the one request that makes B, once, within what is left of the budget and two minutes at most.
    pub async fn create(
        &self,
        budget: &Arc<Budget>,
        app: &AppId,
        relay: &RelayId,
        source: InstanceId,
        checked: &CheckedDraft,
    ) -> Answered {
        let url = match checked.forms.main.content {
            Content::Xml(_) => self.app(app, "instances"),
            Content::Prefill { .. } => self.app(app, "instances/create"),
        };
        let progress = Arc::new(Progress::default());
        let request = self.0.http.post(&url);
        let request = match self.fill(request, budget, relay, source, checked, &progress) {
            Ok(request) => request,
            Err(error) => {
                let failure = Failure::new(Reason::DraftRefused);
                return Answered::not(failure.because(error.to_string()));
            }
        };
        match self.send_once(budget, request).await {
            Ok((answer, _)) if answer.status() == StatusCode::CREATED => Answered {
                outcome: created(answer).await,
                load: Load::Done,
            },
            Ok((answer, took)) => {
                let refusal = refusal::read(answer, took).await;
                Answered {
                    outcome: CreateOutcome::Unclear(classify(&refusal)),
                    load: refusal.load(),
                }
            }
            Err(AltinnErrorKind::NoAnswer(error)) => {
                let is_of_source = progress.broken().is_some();
                Answered {
                    outcome: unanswered(&error, &progress, checked),
                    load: if is_of_source {
                        Load::Unknown
                    } else {
                        error::load_without_answer(&error)
                    },
                }
            }
            Err(AltinnErrorKind::OutOfTime) => Answered::not(Failure::new(Reason::OutOfTime)),
            Err(AltinnErrorKind::Token(error)) => {
                Answered::not(Failure::new(Reason::TargetUnavailable).because(error.to_string()))
            }
            Err(error) => {
                let failure = Failure::new(Reason::TargetUnavailable);
                Answered::not(failure.because(Causes(&error).to_string()))
            }
        }
    }

    fn fill(
        &self,
        request: RequestBuilder,
        budget: &Arc<Budget>,
        relay: &RelayId,
        source: InstanceId,
        checked: &CheckedDraft,
        progress: &Arc<Progress>,
    ) -> reqwest::Result<RequestBuilder> {
        if let Content::Prefill { texts, stamp, .. } = &checked.forms.main.content {
            let mut template = owner_and_due(checked);
            let mut texts = texts.clone();
            texts.insert(stamp.clone(), relay.to_string());
            template.insert("prefill".into(), json!(texts));
            return Ok(request.json(&template));
        }
        let instance = template(relay, source, checked).to_string();
        let instance = Part::text(instance).mime_str("application/json")?;
        let mut form = multipart::Form::new().part("instance", instance);
        for (to_send, xml) in checked.xml_forms() {
            let part = Part::text(xml.to_owned()).mime_str(FORM_CONTENT_TYPE)?;
            form = form.part(to_send.data_type.clone(), part);
        }
        for attachment in &checked.draft.attachments {
            let body = self.attachment_body(budget, source, attachment, progress);
            let part = attachment_part(attachment, body)?;
            form = form.part(attachment.data_type.clone(), part);
        }
        Ok(request.multipart(form))
    }
}

/// A part of known length, so that the whole request has one.
fn attachment_part(attachment: &Attachment, body: Body) -> reqwest::Result<Part> {
    Part::stream_with_length(body, attachment.size)
        .file_name(percent::sent_filename(&attachment.filename))
        .mime_str(&attachment.content_type)
}

/// The instance template: owner, due date, and both stamps.
fn template(relay: &RelayId, source: InstanceId, checked: &CheckedDraft) -> Value {
    let mut template = owner_and_due(checked);
    let stamps = json!({ STAMP: relay.to_string(), SOURCE: source.to_string() });
    template.insert("dataValues".into(), stamps);
    template.into()
}

fn owner_and_due(checked: &CheckedDraft) -> Map<String, Value> {
    let mut template = Map::new();
    template.insert("instanceOwner".into(), checked.draft.owner.template());
    if let Some(due) = checked.draft.due {
        template.insert("dueBefore".into(), due.to_string().into());
    }
    template
}

/// What it means that no answer came. If there was a connection, B may exist, unless the body was not sent whole: then
/// B's app makes nothing, and is done at once (measured: tests/recorded/create-half-closed, create-cut-off).
fn unanswered(
    error: &reqwest::Error,
    progress: &Progress,
    checked: &CheckedDraft,
) -> CreateOutcome {
    let what = transport(error);
    let failure = match progress.broken() {
        Some(broken) => Failure::new(Reason::SourceUnavailable)
            .because(Causes(broken).to_string())
            .after(broken.retry_after()),
        None => {
            let reason = Reason::TargetUnavailable;
            Failure::new(reason).because(format!("B did not answer ({what})"))
        }
    };
    if error.is_connect() {
        return CreateOutcome::NotSent(failure);
    }
    let whole = progress.whole() == checked.draft.attachments.len();
    CreateOutcome::Unclear(Reply {
        failure,
        refused: false,
        nothing_made: !whole,
        quiet: if whole { Quiet::Settled } else { Quiet::Now },
        instance: None,
    })
}

/// 201: B's id is in the body, and in `Location` in case the body does not arrive whole.
async fn created(answer: Response) -> CreateOutcome {
    let location = answer.headers().get(header::LOCATION).and_then(|location| {
        let mut segments = location.to_str().ok()?.rsplit('/');
        let (guid, party) = (segments.next()?, segments.next()?);
        format!("{party}/{guid}").parse().ok()
    });
    let json = json::read(answer).await.ok();
    let instance = json.and_then(|json| Instance::from_json(json).ok());
    match instance.map(|instance| instance.id).or(location) {
        Some(id) => CreateOutcome::Created(id),
        // The app is done, and a search will find B.
        None => CreateOutcome::Unclear(Reply {
            failure: Failure::new(Reason::OutcomeUnknown)
                .because("B answered 201, and its answer does not name the instance"),
            refused: false,
            nothing_made: false,
            quiet: Quiet::Now,
            instance: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use stafett_core::{
        draft::{Draft, Owner, storable_filename},
        forms::Forms,
        preflight::CheckedForm,
    };

    /// The parts of a multipart body as a parser reads them: name, filename and content.
    async fn read_back(form: multipart::Form) -> Vec<(String, Option<String>, Vec<u8>)> {
        let request = reqwest::Client::new()
            .post("http://127.0.0.1/")
            .multipart(form)
            .build()
            .unwrap();
        let declared = request.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let boundary = multer::parse_boundary(declared).unwrap();
        let length: usize = request.headers()[header::CONTENT_LENGTH]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let mut request = request;
        let body = request.body_mut().take().unwrap();
        let bytes = http_body_util::BodyExt::collect(body)
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(bytes.len(), length, "the request says how long it is");
        let mut parser =
            multer::Multipart::new(stream::iter([Ok::<_, std::io::Error>(bytes)]), boundary);
        let mut parts = Vec::new();
        while let Some(part) = parser.next_field().await.unwrap() {
            let filename = part.file_name().map(str::to_owned);
            let name = part.name().unwrap().to_owned();
            parts.push((name, filename, part.bytes().await.unwrap().to_vec()));
        }
        parts
    }

    proptest! {
        #[test]
        fn no_filename_and_no_content_breaks_out_of_its_part(
            filename in ".{1,40}",
            content in proptest::collection::vec(any::<u8>(), 1..200),
            form in "\\PC{0,100}",
        ) {
            let attachment = Attachment {
                element: uuid::Uuid::nil(),
                data_type: "vedlegg".into(),
                filename: storable_filename(&filename),
                content_type: "application/pdf".into(),
                size: content.len() as u64,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let parts = runtime.block_on(async {
                let body = Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(content.clone())]));
                let form = multipart::Form::new()
                    .part("model", Part::text(form.clone()))
                    .part("vedlegg", attachment_part(&attachment, body).unwrap());
                read_back(form).await
            });
            prop_assert_eq!(parts.len(), 2);
            prop_assert_eq!(&parts[0], &("model".to_owned(), None, form.into_bytes()));
            prop_assert_eq!(&parts[1], &("vedlegg".to_owned(), Some(percent::sent_filename(&storable_filename(&filename))), content));
        }
    }

    proptest! {
        #[test]
        fn no_content_type_breaks_out_of_its_part(
            before in "(application/pdf(; )?)?", text in ".{0,20}", forged in "(\r?\n|\r|\x00|\"|--)?(x: y)?"
        ) {
            let attachment = Attachment {
                element: uuid::Uuid::nil(),
                data_type: "vedlegg".into(),
                filename: "a.pdf".into(),
                content_type: format!("{before}{text}{forged}"),
                size: 3,
            };
            let body = Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>("pdf")]));
            // A text that is not a media type is refused before anything is sent.
            if let Ok(part) = attachment_part(&attachment, body) {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let parts = runtime.block_on(read_back(multipart::Form::new().part("vedlegg", part)));
                prop_assert_eq!(parts, vec![("vedlegg".to_owned(), Some("a.pdf".to_owned()), b"pdf".to_vec())]);
                prop_assert!(!attachment.content_type.contains(['\r', '\n', '\0']));
            }
        }
    }

    #[test]
    fn the_template_carries_owner_due_date_and_both_stamps_and_nothing_else() {
        let source: InstanceId = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
            .parse()
            .unwrap();
        let relay = RelayId::new("permit-to-casework".parse().unwrap(), source);
        let draft = Draft {
            owner: Owner::Organisation("310075728".into()),
            models: Forms::one(Map::new()),
            attachments: Vec::new(),
            due: Some("2026-10-01T00:00:00Z".parse::<Timestamp>().unwrap()),
        };
        let checked = CheckedDraft {
            draft,
            forms: Forms::one(CheckedForm {
                data_type: "model".into(),
                field: "model".into(),
                content: Content::Xml(String::new()),
            }),
        };
        assert_eq!(
            template(&relay, source, &checked),
            json!({
                "instanceOwner": {"organisationNumber": "310075728"},
                "dataValues": {
                    "stafett.relay": "permit-to-casework:3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77",
                    "stafett.source": "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77",
                },
                "dueBefore": "2026-10-01T00:00:00Z",
            })
        );
    }
}
