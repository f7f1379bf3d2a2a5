//! Sets up the state before a recorded request.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::recorded::{Conversation, Part, Request};

const SOPHIE: &str = "01039012345";
const OLA: &str = "01017512345";
const FORM: &str = "<kinds xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><tekst>Første æøå &amp; &lt;b&gt;</tekst><antall>7</antall><belop>24.50</belop><tidspunkt>2026-11-20T10:15:30</tidspunkt><dato>2026-11-20</dato><bekreftet>true</bekreftet><rad><navn>en</navn><verdi>1.0</verdi></rad><rad><navn>to</navn></rad></kinds>";
const ATTRIBUTES: &str = "<kinds><tekst>med attributter</tekst><merket kilde=\"k\"><verdi>v</verdi></merket><innhold orid=\"1234\" sprak=\"nb\">tekst</innhold></kinds>";
const LARGE: &str = "<kinds><antall>2147483647</antall><belop>12345678901234567.89</belop><tidspunkt>2026-11-20T10:15:30+01:00</tidspunkt></kinds>";
const MELDING: &str = "<melding><soknad><tittel>Byggesøknad</tittel><referanse>r-1</referanse><innsender>Sophie Salt</innsender><mottatt>2026-11-20T10:15:30.1234567Z</mottatt><vedtak><kode>TB</kode><areal>24.5</areal></vedtak></soknad></melding>";
const NEXT_FORM: &str = "<melding><soknad><tittel>Prøve</tittel><referanse>ref-1</referanse><innsender>Kari</innsender><mottatt>2026-11-20T08:00:00Z</mottatt><vedtak><kode>A</kode><areal>12.5</areal></vedtak></soknad></melding>";
const MODEL: &str = "<model><soker><navn>Sophie Salt</navn><fodselsnummer>01039012345</fodselsnummer></soker><tiltak><kode>TB</kode><beskrivelse>Tilbygg</beskrivelse><areal>24.5</areal></tiltak><merknad>Nabovarsel</merknad></model>";
const WITH_ERRORS: &str = "<model><soker><navn>Sophie Salt</navn><fodselsnummer>123</fodselsnummer></soker><tiltak><kode>FOR LANG KODE HER</kode></tiltak></model>";
const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
const CONTRACT: &str = "ttd/contract";
const PERMIT: &str = "ttd/permit";

/// The state before conversations whose `given` is missing although their responses depend on it.
fn missing_given(name: &str) -> Option<&'static str> {
    match name {
        "app-active" | "app-active-owner" => Some("instances of ttd/contract of the party 512345"),
        _ => None,
    }
}

/// The party in the path of the request, if it is not the owner of the instance.
pub(crate) fn party(conversation: &Conversation) -> Option<&str> {
    let name = conversation.name.as_str();
    match &conversation.party {
        Some(party) => Some(party),
        None if name.ends_with("-wrong-party") || name.starts_with("app-active") => Some("512345"),
        None => conversation.given.is_none().then_some("501337"),
    }
}

/// Creates the instances that the conversation requires, and binds their placeholders.
pub(crate) async fn set_up(stage: &mut Stage<'_>, conversation: &Conversation) {
    let given = conversation.given.as_deref();
    let Some(given) = given.or(missing_given(&conversation.name)) else {
        return;
    };
    let mut made = Maker { stage };
    let instance = match given.trim_start_matches("{a}: ") {
        "an active instance of the party 512345" => {
            made.make(CONTRACT, &[template(OLA, json!({})), form(FORM)], "owner")
                .await
        }
        "instances of ttd/contract of the party 512345" => {
            made.make(CONTRACT, &[template(OLA, json!({})), form(FORM)], "owner")
                .await;
            return;
        }
        "an instance of ttd/contract in Task_1, with model" => made.contract(&[]).await,
        "an instance of ttd/contract in Task_1, with model and one vedlegg" => {
            made.contract(&[file("en.pdf")]).await
        }
        "an instance of ttd/contract in Task_1, with model, two vedlegg and opplysninger" => {
            let json = part(
                "opplysninger",
                Some("o.json"),
                "application/json",
                "{\"a\":1}",
            );
            let mut instance = made
                .contract(&[file("en.pdf"), file("to æøå.pdf"), json])
                .await;
            // The recorded app stored them in this order, or at the same time.
            sort_data(&mut instance, &["to æøå.pdf", "en.pdf"]);
            instance
        }
        // Some conversations with this state had an attachment, too.
        "an instance of ttd/contract, its process has ended" => {
            let attachments = if shows_attachment(conversation) {
                vec![file("en.pdf")]
            } else {
                Vec::new()
            };
            let instance = made.contract(&attachments).await;
            made.next(CONTRACT, &instance, "owner", json!({})).await;
            instance
        }
        "an instance of ttd/contract, its process has ended, confirmed by ttd" => {
            let instance = made.contract(&[]).await;
            made.next(CONTRACT, &instance, "owner", json!({})).await;
            made.complete(&instance).await;
            instance
        }
        "an instance of ttd/contract, soft-deleted" => {
            let instance = made.contract(&[]).await;
            made.delete(&instance, "").await;
            if answers_with(conversation, "\"stakeholderId\":\"ttd\"") {
                made.complete(&instance).await;
            }
            instance
        }
        "an instance of ttd/contract, hard-deleted, never archived" => {
            let instance = made.contract(&[file("en.pdf")]).await;
            made.delete(&instance, "?hard=true").await;
            instance
        }
        "an instance of ttd/contract whose form was deleted" => {
            let instance = made.contract(&[]).await;
            let model = instance["data"][0]["id"].as_str().unwrap();
            let path = format!("/storage/api/v1/instances/{}/data/{model}", id(&instance));
            made.ok("DELETE", &path, "owner", None).await;
            instance
        }
        "an instance of ttd/contract whose form has attributes" => {
            made.make(
                CONTRACT,
                &[template(SOPHIE, json!({})), form(ATTRIBUTES)],
                "owner",
            )
            .await
        }
        "an instance of ttd/contract whose form has a large decimal" => {
            made.make(
                CONTRACT,
                &[template(SOPHIE, json!({})), form(LARGE)],
                "owner",
            )
            .await
        }
        "an instance of ttd/contract made without form" => {
            made.make(CONTRACT, &[template(SOPHIE, json!({}))], "owner")
                .await
        }
        "an instance of ttd/contract with dataValues" => {
            let values = if conversation.name.ends_with("-empty") {
                json!({ "a": "1", "b": "2" })
            } else {
                json!({ "a": "1" })
            };
            let template = template(SOPHIE, json!({ "dataValues": values }));
            made.make(CONTRACT, &[template, form(FORM)], "owner").await
        }
        "an instance of ttd/contract with a substatus" => {
            let instance = made.contract(&[]).await;
            let path = format!("/{CONTRACT}/instances/{}/substatus", id(&instance));
            made.ok("PUT", &path, "owner", Some(json!({ "label": "Sendt" })))
                .await;
            instance
        }
        "an instance of ttd/casework in Task_1, made by ttd for an organisation" => {
            let owner = json!({ "instanceOwner": { "organisationNumber": "897069650" } });
            let template = part("instance", None, "application/json", &owner.to_string());
            made.make(
                "ttd/casework",
                &[template, form(MELDING), file("vedlegg.pdf")],
                "owner",
            )
            .await
        }
        "an instance of ttd/casework9 in Task_1, with model and one vedlegg" => {
            made.casework("ttd/casework9").await
        }
        "an instance of ttd/casework9d in Task_1, with model and one vedlegg" => {
            made.casework("ttd/casework9d").await
        }
        "an instance of ttd/permit in Task_1" => made.permit(MODEL).await,
        "an instance of ttd/permit whose form has errors" => made.permit(WITH_ERRORS).await,
        "an instance of ttd/permit in Task_2 (confirmation)" => {
            let instance = made.permit(MODEL).await;
            made.next(PERMIT, &instance, "user", json!({})).await;
            made.read(PERMIT, &instance).await
        }
        "an instance of ttd/permit, ended by its user, with a PDF" => {
            let instance = made.permit(MODEL).await;
            made.next(PERMIT, &instance, "user", json!({})).await;
            made.next(PERMIT, &instance, "user", json!({ "action": "confirm" }))
                .await;
            made.read(PERMIT, &instance).await
        }
        six if six.starts_with("six instances of ttd/contract for party 512345") => {
            made.six(conversation).await;
            return;
        }
        other => panic!("{}: cannot make {other}", conversation.name),
    };
    made.read_by_user(conversation, &instance).await;
    stage.bindings.bind_instance("a", &instance);
    let (party, _) = id(&instance).split_once('/').unwrap();
    stage.bindings.bind("party", party);
}

/// Whether a recording with an ended instance shows that it had an attachment.
fn shows_attachment(conversation: &Conversation) -> bool {
    answers_with(conversation, "a.vedlegg") || conversation.request.path.contains("a.vedlegg")
}

/// Whether the recorded response contains this text.
fn answers_with(conversation: &Conversation, text: &str) -> bool {
    let body = conversation.answer.body.as_ref().map(Value::to_string);
    body.is_some_and(|body| body.contains(text))
}

fn sort_data(instance: &mut Value, names: &[&str]) {
    let rank = |element: &Value| {
        names
            .iter()
            .position(|name| element["filename"] == *name)
            .unwrap_or(names.len())
    };
    instance["data"].as_array_mut().unwrap().sort_by_key(rank);
}

fn id(instance: &Value) -> &str {
    instance["id"].as_str().unwrap()
}

fn part(name: &str, filename: Option<&str>, media_type: &str, body: &str) -> Part {
    Part {
        name: Some(name.to_owned()),
        filename: filename.map(str::to_owned),
        disposition: None,
        media_type: Some(media_type.to_owned()),
        headers: [].into(),
        body: json!(body),
    }
}

fn template(person: &str, more: Value) -> Part {
    let mut template = json!({ "instanceOwner": { "personNumber": person } });
    for (name, value) in more.as_object().unwrap() {
        template[name] = value.clone();
    }
    part("instance", None, "application/json", &template.to_string())
}

fn form(xml: &str) -> Part {
    let document = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{xml}");
    part("model", None, "application/xml", &document)
}

fn file(name: &str) -> Part {
    part("vedlegg", Some(name), "application/pdf", PDF)
}

struct Maker<'s, 'c> {
    stage: &'s mut Stage<'c>,
}

impl Maker<'_, '_> {
    async fn make(&mut self, app: &str, parts: &[Part], caller: &str) -> Value {
        let request = Request {
            method: "POST".to_owned(),
            at: app.to_owned(),
            path: format!("/{app}/instances"),
            caller: Some(caller.to_owned()),
            headers: [].into(),
            body: None,
            parts: Some(parts.to_vec()),
            cut: None,
            no_end: None,
        };
        let reply = self.stage.send(&request).await;
        assert_eq!(
            reply.status,
            Some(201),
            "making an instance of {app}: {}",
            reply.text()
        );
        reply.json().unwrap()
    }

    async fn contract(&mut self, more: &[Part]) -> Value {
        let mut parts = vec![template(SOPHIE, json!({})), form(FORM)];
        parts.extend_from_slice(more);
        self.make(CONTRACT, &parts, "owner").await
    }

    async fn casework(&mut self, app: &str) -> Value {
        let owner = json!({ "instanceOwner": { "organisationNumber": "897069650" }, "dataValues": { "stafett.relay": "contract:3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77" } });
        let template = part("instance", None, "application/json", &owner.to_string());
        let mut attachment = file("a.pdf");
        attachment.body = json!("%PDF-1.4 x");
        self.make(app, &[template, form(NEXT_FORM), attachment], "owner")
            .await
    }

    async fn permit(&mut self, model: &str) -> Value {
        self.make(PERMIT, &[template(SOPHIE, json!({})), form(model)], "user")
            .await
    }

    async fn ok(&mut self, method: &str, path: &str, caller: &str, body: Option<Value>) -> Value {
        let reply = self.stage.call(method, "", path, caller, body).await;
        assert_eq!(reply.status, Some(200), "{method} {path}: {}", reply.text());
        reply.json().unwrap_or(Value::Null)
    }

    async fn next(&mut self, app: &str, instance: &Value, caller: &str, body: Value) {
        let path = format!("/{app}/instances/{}/process/next", id(instance));
        self.ok("PUT", &path, caller, Some(body)).await;
    }

    async fn complete(&mut self, instance: &Value) {
        let path = format!("/{CONTRACT}/instances/{}/complete", id(instance));
        self.ok("POST", &path, "owner", None).await;
    }

    async fn delete(&mut self, instance: &Value, query: &str) {
        let path = format!("/{CONTRACT}/instances/{}{query}", id(instance));
        self.ok("DELETE", &path, "owner", None).await;
    }

    async fn read(&mut self, app: &str, instance: &Value) -> Value {
        let path = format!("/{app}/instances/{}", id(instance));
        self.ok("GET", &path, "user", None).await
    }

    /// Lets the owner read the instance and its form, if the recorded response shows that they had been read.
    async fn read_by_user(&mut self, conversation: &Conversation, instance: &Value) {
        let app = instance["appId"].as_str().unwrap();
        if app != CONTRACT {
            return;
        }
        if ["\"readStatus\":\"Read\"", "\"readStatus\":1"]
            .iter()
            .any(|status| answers_with(conversation, status))
        {
            self.read(app, instance).await;
        }
        if !answers_with(conversation, "\"isRead\":true") {
            return;
        }
        let data = instance["data"].as_array().unwrap();
        let form = data
            .iter()
            .find(|element| element["dataType"] == "model")
            .unwrap();
        let path = format!(
            "/{app}/instances/{}/data/{}",
            id(instance),
            form["id"].as_str().unwrap()
        );
        self.ok("GET", &path, "user", None).await;
    }

    /// Creates the six instances of the query, and binds the page that is requested.
    async fn six(&mut self, conversation: &Conversation) {
        // Storage stores microseconds.
        let moment = |stage: &Stage<'_>| {
            let now = stage.altinn.clock().now();
            now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
        };
        let t0 = moment(self.stage);
        let mut made = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f"] {
            let values = json!({ "dataValues": { "stafett.relay": format!("r:{name}") } });
            let parts = [
                template(OLA, values),
                form(&FORM.replace("Første", name)),
                file("en.pdf"),
            ];
            let instance = self.make(CONTRACT, &parts, "owner").await;
            self.stage.bindings.bind_instance(name, &instance);
            if name == "c" {
                self.stage
                    .bindings
                    .bind("c.created", instance["created"].as_str().unwrap());
            }
            made.push(instance);
        }
        self.next(CONTRACT, &made[0], "owner", json!({})).await;
        self.complete(&made[0]).await;
        self.next(CONTRACT, &made[1], "owner", json!({})).await;
        self.delete(&made[3], "").await;
        self.delete(&made[4], "?hard=true").await;
        self.next(CONTRACT, &made[5], "owner", json!({})).await;
        self.delete(&made[5], "?hard=true").await;
        let t1 = moment(self.stage);
        self.stage.bindings.bind("T0", t0.clone());
        self.stage.bindings.bind("T1", t1);
        // The times that the query computes from those two.
        let later = |text: &str, by: i64| {
            let moment: jiff::Timestamp = text.parse().unwrap();
            moment + jiff::SignedDuration::from_secs(by)
        };
        let in_a_minute = later(&t0, 60)
            .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
            .to_string();
        let in_another_zone = later(&t0, 3600)
            .strftime("%Y-%m-%dT%H:%M:%S.%3f")
            .to_string();
        self.stage.bindings.bind("time:1-7Z", in_a_minute);
        self.stage.bindings.bind("time:1-7", in_another_zone);
        self.turn_pages(conversation).await;
    }

    /// Binds the continuation token of the requested page.
    async fn turn_pages(&mut self, conversation: &Conversation) {
        let pages = match conversation.name.strip_prefix("query-page-") {
            Some(number) => number.parse::<u32>().unwrap(),
            None => return,
        };
        let since = self.stage.bindings.get("T0").unwrap().to_owned();
        let mut path = format!(
            "/storage/api/v1/instances?appId={CONTRACT}&created=gte:{since}&includeDataElements=false&order=asc:lastChanged&size=2"
        );
        for _ in 1..pages {
            let page = self.ok("GET", &path, "owner", None).await;
            let next = page["next"].as_str().unwrap().to_owned();
            path = next[next.find("/storage").unwrap()..].to_owned();
        }
        if let Some((_, token)) = path.split_once("continuationToken=") {
            let (ticks, number) = token.split_once("%253b").unwrap();
            self.stage.bindings.bind("ticks", ticks);
            self.stage.bindings.bind("number", number);
        }
    }
}
