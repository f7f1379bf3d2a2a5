//! App A's form.

use regex::Regex;

use crate::{
    markup::{Tag, check, tags, unescaped},
    stage::Stage,
};

pub(crate) const PERMIT: &str = "/apps/ttd/permit/new";

/// What a browser sends for the form of a page, when one of its buttons is pressed.
pub(crate) fn fields(page: &str, button: &str) -> Vec<(String, String)> {
    let form = &page[page.find("<form").unwrap()..];
    let form = &form[..form.find("</form>").unwrap()];
    let text = |tag: &Tag, name: &str| tag.get(name).unwrap_or_default().to_owned();
    let mut found = Vec::new();
    let mut select = None;
    for tag in tags(&format!("{form}</form>")) {
        let name = text(&tag, "name");
        match tag.name.as_str() {
            "input" => match tag.get("type") {
                Some("file") => {}
                Some("radio" | "checkbox") if tag.get("checked").is_none() => {}
                _ => found.push((name, text(&tag, "value"))),
            },
            "select" => select = Some((name, true)),
            "option" => {
                if let Some((name, is_first)) = &mut select
                    && (*is_first || tag.get("selected").is_some())
                {
                    found.retain(|(known, _)| known != name);
                    found.push((name.clone(), text(&tag, "value")));
                    *is_first = false;
                }
            }
            _ => {}
        }
    }
    let area = Regex::new(r#"(?s)<textarea[^>]*name="([^"]*)"[^>]*>\n?(.*?)</textarea>"#).unwrap();
    for it in area.captures_iter(form) {
        found.push((it[1].to_owned(), unescaped(&it[2])));
    }
    found.push(("do".to_owned(), button.to_owned()));
    found
}

pub(crate) fn set(fields: &mut Vec<(String, String)>, name: &str, value: &str) {
    fields.retain(|(known, _)| known != name);
    fields.push((name.to_owned(), value.to_owned()));
}

/// Submits the permit of a page as it is; the path of its relay's page.
pub(crate) async fn submit(stage: &Stage, fields: &[(String, String)]) -> String {
    let response = stage.send(PERMIT, fields, &[]).await;
    assert_eq!(response.status(), 303, "{}", response.text().await.unwrap());
    let to = response.headers()["location"].to_str().unwrap();
    to.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn one_click_submits_an_application_and_its_b_is_in_the_inbox() {
    let stage = Stage::start().await;
    let page = stage.page(PERMIT).await;
    let relay = submit(&stage, &fields(&page, "submit")).await;
    let page = stage
        .until_shown(&relay, "class=\"badge good\" data-announce>done")
        .await;
    check(&page, "en");
    for step in [
        "Trigger",
        "Queue",
        "Claim (and read A)",
        "POST of B",
        "Record",
    ] {
        // The ledger knows before the function has logged it.
        stage.until_shown(&relay, step).await;
    }
    let inbox = stage.page("/inbox/50085321").await;
    assert!(inbox.contains("made by Stafett"), "{inbox}");
    check(&inbox, "en");
    let b = Regex::new(r#"href="(/instances/50085321[^"]*)""#).unwrap();
    let b = unescaped(&b.captures(&inbox).unwrap()[1]);
    let b = stage.page(&b).await;
    check(&b, "en");
    let a = relay.replace("/relays/", "");
    assert!(
        unescaped(&b).contains(&format!("href=\"/instances/{a}\"")),
        "B leads to A: {b}"
    );
    let a = stage.page(&format!("/instances/{a}")).await;
    check(&a, "en");
    assert!(a.contains("Made of this"), "A leads to B: {a}");
    let file = Regex::new(r#"href="(/instances/[^"]*/data/[^"]*)""#).unwrap();
    let file = stage.get(&unescaped(&file.captures(&a).unwrap()[1])).await;
    assert_eq!(file.headers()["content-type"], "application/pdf");
    assert!(
        file.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment;")
    );
    stage.stop().await;
}

#[tokio::test]
async fn altinn_events_tell_of_an_application_or_nobody_does() {
    let stage = Stage::start().await;
    let page = stage.page(PERMIT).await;
    let mut filled = fields(&page, "submit");
    set(&mut filled, "told", "event");
    let heard = submit(&stage, &filled).await;
    stage.until_shown(&heard, "Altinn Events told").await;
    set(&mut filled, "told", "nobody");
    let unheard = submit(&stage, &filled).await;
    // What was submitted before it is done, so that this one would be, too.
    stage
        .until_shown(&heard, "class=\"badge good\" data-announce>done")
        .await;
    stage.deployment.rest().await.unwrap();
    let page = stage.page(&unheard).await;
    assert!(page.contains("Nobody has told the HTTP API"), "{page}");
    stage.stop().await;
}

#[tokio::test]
async fn a_name_that_is_markup_stays_text_on_every_page() {
    const NAME: &str = "<script>alert(1)</script>\"'&{{ 7*7 }}";
    let stage = Stage::start().await;
    let mut filled = fields(&stage.page(PERMIT).await, "submit");
    set(&mut filled, "model.soker.navn", NAME);
    let relay = submit(&stage, &filled).await;
    stage
        .until_shown(&relay, "class=\"badge good\" data-announce>done")
        .await;
    let a = relay.replace("/relays/", "");
    let party = a.split('/').next().unwrap().to_owned();
    for path in [
        format!("/instances/{a}"),
        format!("/inbox/{party}"),
        "/inbox/50085321".to_owned(),
    ] {
        let page = stage.page(&path).await;
        assert!(!page.contains("<script>alert"), "{path}");
        assert!(unescaped(&page).contains(NAME), "{path}: {page}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_listed_with_links_to_the_fields_and_nothing_typed_is_lost() {
    let stage = Stage::start().await;
    let mut filled = fields(&stage.page(PERMIT).await, "submit");
    set(&mut filled, "model.soker.fodselsnummer", "twelve");
    set(&mut filled, "model.soker.navn", "");
    set(&mut filled, "model.merknad", "as typed");
    let response = stage.send(PERMIT, &filled, &[]).await;
    assert_eq!(response.status(), 422);
    let page = response.text().await.unwrap();
    check(&page, "en");
    for id in ["model.soker.fodselsnummer", "model.soker.navn"] {
        let link = tags(&page)
            .into_iter()
            .any(|tag| tag.get("href") == Some(&format!("#{id}")));
        assert!(link, "{page}");
    }
    let again = fields(&page, "submit");
    let value = |name: &str| {
        again
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, it)| it.as_str())
    };
    assert_eq!(value("model.soker.fodselsnummer"), Some("twelve"));
    assert_eq!(value("model.merknad"), Some("as typed"));
    stage.stop().await;
}

#[tokio::test]
async fn rows_come_and_go_without_a_script() {
    let stage = Stage::start().await;
    let page = stage.page(PERMIT).await;
    let rows = |page: &str| {
        let found = fields(page, "submit");
        let count = found.iter().find(|(name, _)| name == "model.tiltak.rows");
        count.unwrap().1.parse::<usize>().unwrap()
    };
    let before = rows(&page);
    let added = stage
        .send(PERMIT, &fields(&page, "add model.tiltak"), &[])
        .await;
    assert_eq!(added.status(), 200);
    let page = added.text().await.unwrap();
    check(&page, "en");
    assert_eq!(rows(&page), before + 1);
    let removed = stage
        .send(PERMIT, &fields(&page, "remove model.tiltak 0"), &[])
        .await;
    assert_eq!(rows(&removed.text().await.unwrap()), before);
    stage.stop().await;
}

#[tokio::test]
async fn a_file_goes_along_where_the_app_takes_it() {
    let stage = Stage::start().await;
    let filled = fields(&stage.page(PERMIT).await, "submit");
    let refused = [
        ("file:tegning", "a.html", "text/html"),
        ("file:elsewhere", "a.png", "image/png"),
    ];
    for file in refused {
        let response = stage.send(PERMIT, &filled, &[file]).await;
        assert_eq!(response.status(), 422, "{file:?}");
    }
    let name = "a \"plan\".png";
    let response = stage
        .send(PERMIT, &filled, &[("file:tegning", name, "image/png")])
        .await;
    assert_eq!(response.status(), 303);
    let relay = response.headers()["location"].to_str().unwrap();
    let relay = relay.split('?').next().unwrap().to_owned();
    stage
        .until_shown(&relay, "class=\"badge good\" data-announce>done")
        .await;
    let a = stage.page(&relay.replace("/relays/", "/instances/")).await;
    assert!(unescaped(&a).contains("plan"), "{a}");
    stage.stop().await;
}
