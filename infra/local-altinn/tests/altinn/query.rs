use std::collections::BTreeSet;
use std::time::Duration;

use local_altinn::Stage;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Altinn, KARI, SCOPES, TTD, casework, read};

const INSTANCES: &str = "/storage/api/v1/instances";

async fn ids(altinn: &Altinn, query: &str) -> BTreeSet<String> {
    let page = altinn
        .get(&format!("{INSTANCES}?{query}"))
        .await
        .expect(200)
        .json();
    let instances = page["instances"].as_array().unwrap();
    assert_eq!(page["count"], instances.len(), "{query}");
    instances
        .iter()
        .map(|instance| instance["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn storage_serializes_instances_differently_from_apps() {
    let altinn = Altinn::start().await;
    let id = altinn.application(Stage::Ended);
    let page = altinn
        .get(&format!("{INSTANCES}?appId=ttd/permit&size=7"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        page["self"],
        format!("{}{INSTANCES}?appId=ttd/permit&size=7", altinn.local.url())
    );
    assert_eq!(page.get("next"), Some(&Value::Null));
    let instance = &page["instances"][0];
    assert_eq!(instance["status"]["readStatus"], "Unread");
    assert_eq!(instance["instanceOwner"].get("party"), None);
    assert_eq!(instance["selfLinks"].get("apps"), None);
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(items) => items.iter().any(has_null),
            Value::Object(object) => object.values().any(has_null),
            _ => false,
        }
    }
    assert!(!has_null(instance), "{instance}");
    let one = altinn
        .get(&format!("{INSTANCES}/{id}"))
        .await
        .expect(200)
        .json();
    assert!(!has_null(&one));
    let by_app = altinn.app_instance("ttd/permit", &id).await;
    assert!(has_null(&by_app) && by_app["status"]["readStatus"] == 0);
    let bare = altinn
        .get(&format!(
            "{INSTANCES}?appId=ttd/permit&includeDataElements=false"
        ))
        .await
        .json();
    assert_eq!(bare["instances"][0]["data"], json!([]));
}

#[tokio::test]
async fn data_elements_have_no_order() {
    let altinn = Altinn::start().await;
    let id = altinn.application(Stage::Ended);
    let mut orders = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    let order = |instance: &Value| -> Vec<String> {
        instance["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|element| element["dataType"].as_str().unwrap().to_owned())
            .collect()
    };
    for _ in 0..64 {
        orders[0].insert(order(&altinn.app_instance("ttd/permit", &id).await));
        orders[1].insert(order(
            &altinn
                .get(&format!("{INSTANCES}?appId=ttd/permit"))
                .await
                .json()["instances"][0],
        ));
        orders[2].insert(order(
            &altinn.get(&format!("{INSTANCES}/{id}")).await.json(),
        ));
    }
    assert_eq!(orders.map(|seen| seen.len()), [2, 2, 2]);
}

#[tokio::test]
async fn queries_are_authorized() {
    let mut altinn = Altinn::start().await;
    altinn.case().await;
    altinn.get(INSTANCES).await.expect(400);
    altinn
        .get(&format!("{INSTANCES}?org=ttd"))
        .await
        .expect(200);
    altinn
        .get(&format!("{INSTANCES}?org=skd"))
        .await
        .expect(403);
    altinn
        .get(&format!("{INSTANCES}?appId=skd/app"))
        .await
        .expect(403);
    altinn.token = altinn
        .token_of(
            TTD,
            "altinn:serviceowner altinn:serviceowner/instances.write",
        )
        .await;
    altinn
        .get(&format!("{INSTANCES}?org=ttd"))
        .await
        .expect(403);
    altinn.token = altinn
        .token_of(
            TTD,
            "altinn:serviceowner altinn:serviceowner/instances.readall",
        )
        .await;
    altinn
        .get(&format!("{INSTANCES}?org=ttd"))
        .await
        .expect(403);
    altinn.token = altinn.token_of(TTD, "altinn:instances.read").await;
    let stranger = altinn.get(&format!("{INSTANCES}?org=ttd")).await;
    assert_eq!(stranger.expect(400).json()["title"], "Bad Request");
    altinn.token = altinn.token_of("312456788", SCOPES).await;
    altinn
        .get(&format!("{INSTANCES}?appId=ttd/casework"))
        .await
        .expect(403);
    let app = casework(|_, settings| settings.policy.others = ["read".to_owned()].into());
    let mut altinn = Altinn::with_apps(vec![app]).await;
    altinn.token = altinn.token_of("312456788", SCOPES).await;
    altinn
        .get(&format!("{INSTANCES}?appId=ttd/casework"))
        .await
        .expect(200);
    altinn
        .get(&format!("{INSTANCES}?org=ttd"))
        .await
        .expect(403);
}

#[tokio::test]
async fn every_filter_is_applied() {
    let altinn = Altinn::start().await;
    let open = altinn.application(Stage::Task("Task_1".to_owned()));
    let ended = altinn.application(Stage::Ended);
    let case = altinn.case().await;
    altinn.local.delete(&case, false).unwrap();
    read(altinn.request(
        Method::POST,
        &format!("/ttd/permit/instances/{ended}/complete"),
    ))
    .await
    .expect(200);
    let all: BTreeSet<String> = [&open, &ended, &case].map(Clone::clone).into();
    let only = |id: &String| BTreeSet::from([id.clone()]);
    let reference = &open[open.len() - 12..];
    for (query, expected) in [
        ("", all.clone()),
        ("appId=ttd/casework", only(&case)),
        ("instanceOwner.partyId=50085321", only(&case)),
        ("process.currentTask=Task_1&appId=ttd/permit", only(&open)),
        ("process.isComplete=true", only(&ended)),
        ("process.isComplete=false&appId=ttd/permit", only(&open)),
        ("confirmed=true", only(&ended)),
        ("confirmed=false&appId=ttd/permit", only(&open)),
        ("excludeConfirmedBy=ttd&appId=ttd/permit", only(&open)),
        ("excludeConfirmedBy=skd", all.clone()),
        ("status.isArchived=true", only(&ended)),
        ("status.isSoftDeleted=true", only(&case)),
        ("status.isHardDeleted=true", BTreeSet::new()),
        ("searchString=bod%20%26", only(&case)),
        (
            "searchString=k_ri",
            all.iter().filter(|id| **id != case).cloned().collect(),
        ),
        (&format!("A3Ref={reference}"), only(&open)),
        ("mainVersionInclude=2", BTreeSet::new()),
        ("mainVersionExclude=3", BTreeSet::new()),
        ("process.endEvent=Nothing", all.clone()),
        ("noSuchParameter=1", all.clone()),
    ] {
        assert_eq!(
            ids(&altinn, &format!("org=ttd&{query}")).await,
            expected,
            "{query}"
        );
    }
    altinn
        .get(&format!("{INSTANCES}?org=ttd&A3Ref=123"))
        .await
        .expect(400);
    altinn
        .get(&format!("{INSTANCES}?org=ttd&size=ti"))
        .await
        .expect(400);
    altinn
        .get(&format!("{INSTANCES}?org=ttd&process.isComplete=kanskje"))
        .await
        .expect(400);
}

#[tokio::test]
async fn the_owner_can_be_named_in_a_header() {
    let altinn = Altinn::start().await;
    altinn.case().await;
    altinn.application(Stage::Ended);
    let ask = |query: &str, identifier: &str| {
        read(
            altinn
                .request(Method::GET, &format!("{INSTANCES}?{query}"))
                .header("X-Ai-InstanceOwnerIdentifier", identifier.to_owned()),
        )
    };
    for identifier in [
        "Organisation:310075728".to_owned(),
        format!("Person:{KARI}"),
    ] {
        assert_eq!(
            ask("org=ttd", &identifier).await.expect(200).json()["count"],
            1
        );
    }
    let unknown = ask("org=ttd", "Organisation:999999999")
        .await
        .expect(200)
        .json();
    assert_eq!(
        unknown,
        json!({"count": 0, "self": null, "next": null, "instances": []})
    );
    for malformed in [
        "310075728",
        "Organisation:31007572",
        "Person:x",
        "Unit:310075728",
    ] {
        ask("org=ttd", malformed).await.expect(400);
    }
    ask(
        "org=ttd&instanceOwner.partyId=50085321",
        "Organisation:310075728",
    )
    .await
    .expect(400);
}

#[tokio::test]
async fn date_filters_apply_are_ignored_or_fail_as_in_storage() {
    let altinn = Altinn::start().await;
    altinn
        .local
        .clock()
        .stand_at("2026-08-20T10:00:33.5Z".parse().unwrap());
    let altinn = Altinn {
        token: altinn.token_of(TTD, SCOPES).await,
        ..altinn
    };
    let id = altinn.application(Stage::Ended);
    let found = BTreeSet::from([id]);
    for (filter, finds) in [
        (
            "created=gte:2026-08-20T00:00:00Z&created=lt:2026-08-21T00:00:00Z",
            true,
        ),
        ("created=gt:2026-08-21", false),
        ("created=eq:2026-08-20T10:00:33.5Z", true),
        ("created=lte:2026-08-20T12:00:33.5%2B02:00", true),
        ("lastChanged=lt:2026-08-20T10:00:33.5Z", false),
        // Silently ignored: a full timestamp without operator, or a misspelt operator.
        ("created=2026-08-21T10:00:00Z", true),
        ("created=ge:2027-01-01", true),
        ("lastChanged=after:2027-01-01", true),
        // Compared as text: .5Z sorts before Z.
        ("process.ended=gt:2026-08-20T10:00:33Z", false),
        ("process.ended=lt:2026-08-20T10:00:33Z", true),
        ("process.ended=gte:2026-08-20", true),
        ("process.ended=gte:2026-08-20T00:00:00Z", true),
        ("process.ended=gte:2026-08-20T12:00:00%2B02:00", false),
        ("process.ended=2026-08-21T00:00:00Z", true),
        ("process.ended=gte:i%20dag", false),
        ("visibleAfter=lt:2026-08-20T10:00:33Z", true),
        ("dueBefore=gte:2026-01-01", false),
    ] {
        let expected = if finds {
            found.clone()
        } else {
            BTreeSet::new()
        };
        assert_eq!(
            ids(&altinn, &format!("org=ttd&{filter}")).await,
            expected,
            "{filter}"
        );
    }
    for filter in [
        "created=2026-08-20",
        "created=2026-08-20T10:45:00Z",
        "created=gte:2026-08-20T00:00:00+02:00",
        "created=gte:i%20dag",
        "created=gte:2026-08-20&created=gte:2026-08-21",
    ] {
        let reply = altinn.get(&format!("{INSTANCES}?org=ttd&{filter}")).await;
        assert_eq!(reply.status, 500, "{filter}");
    }
    assert!(
        altinn
            .get(&format!("{INSTANCES}?org=ttd&created=2026-08-20"))
            .await
            .json()
            == "Invalid date expression: 2026-08-20 for query key: created"
    );
}

/// Follows `next` to the end. Returns the ids of each page.
async fn pages(altinn: &Altinn, query: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(format!("{INSTANCES}?{query}"));
    while let Some(url) = next {
        let page = altinn.get(&url).await.expect(200).json();
        next = page["next"].as_str().map(str::to_owned);
        let ids = page["instances"]
            .as_array()
            .unwrap()
            .iter()
            .map(|instance| instance["id"].as_str().unwrap().to_owned());
        pages.push(ids.collect());
        assert!(pages.len() < 50);
    }
    pages
}

#[tokio::test]
async fn a_full_last_page_is_followed_by_an_empty_page() {
    let altinn = Altinn::start().await;
    for _ in 0..6 {
        altinn.case().await;
        altinn.local.clock().advance(Duration::from_millis(10));
    }
    let found = pages(&altinn, "appId=ttd/casework&order=asc:lastChanged&size=4").await;
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
    let found = pages(&altinn, "appId=ttd/casework&order=asc:lastChanged&size=3").await;
    assert_eq!(
        found.iter().map(Vec::len).collect::<Vec<_>>(),
        [3, 3, 0],
        "a full page always has a next"
    );
    assert_eq!(found.concat().iter().collect::<BTreeSet<_>>().len(), 6);
    let descending = pages(&altinn, "appId=ttd/casework&size=4").await.concat();
    assert_eq!(
        descending.into_iter().rev().collect::<Vec<_>>(),
        found.concat()
    );
    let odd = pages(&altinn, "appId=ttd/casework&order=whatever&size=100")
        .await
        .concat();
    assert_eq!(odd, found.concat(), "anything but desc: is ascending");
}

#[tokio::test]
async fn the_continuation_token_is_encoded_twice_and_decoded_up_to_twice() {
    let altinn = Altinn::start().await;
    for _ in 0..2 {
        altinn.case().await;
        altinn.local.clock().advance(Duration::from_millis(10));
    }
    let first = altinn
        .get(&format!(
            "{INSTANCES}?appId=ttd/casework&order=asc:lastChanged&size=1"
        ))
        .await
        .json();
    let next = first["next"].as_str().unwrap();
    assert!(
        next.contains("appId=ttd%2Fcasework&order=asc%3AlastChanged&size=1&continuationToken="),
        "{next}"
    );
    let (base, token) = next.split_once("continuationToken=").unwrap();
    let (ticks, id) = token.split_once("%253b").expect("encoded twice");
    assert!(ticks.len() == 18 && id.parse::<u64>().is_ok());
    for separator in [";", "%3b", "%253b"] {
        let page = altinn
            .get(&format!("{base}continuationToken={ticks}{separator}{id}"))
            .await
            .expect(200)
            .json();
        assert_eq!(page["count"], 1, "{separator}");
        assert_ne!(page["instances"][0]["id"], first["instances"][0]["id"]);
    }
    let nothing = altinn
        .get(&format!("{base}continuationToken=abc"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&nothing["count"], &nothing["next"]),
        (&json!(0), &Value::Null)
    );
    altinn
        .get(&format!("{base}continuationToken=a;b"))
        .await
        .expect(500);
}

#[tokio::test]
async fn a_size_is_handled_as_by_postgresql() {
    let altinn = Altinn::start().await;
    altinn.case().await;
    let of =
        |size: &str| format!("{INSTANCES}?appId=ttd/casework&order=asc:lastChanged&size={size}");
    let page = altinn.get(&of("20000")).await.expect(200).json();
    assert_eq!((&page["count"], &page["next"]), (&json!(1), &Value::Null));
    let nothing = altinn.get(&of("0")).await.expect(200).json();
    assert_eq!(nothing["count"], 0);
    let next = nothing["next"].as_str().expect("0 of 0 is a full page");
    assert!(next.ends_with("continuationToken=0%253b-1"), "{next}");
    assert_eq!(
        altinn.get(&of("-1")).await.expect(500).json(),
        "2201W: LIMIT must not be negative"
    );
    altinn
        .get(&format!("{INSTANCES}?appId=casework"))
        .await
        .expect(500);
}

/// The ids (`{party}/{guid}`) of the instances of a page in ascending order.
async fn ascending(altinn: &Altinn, query: &str) -> Vec<String> {
    pages(
        altinn,
        &format!("appId=ttd/casework&order=asc:lastChanged&{query}"),
    )
    .await
    .concat()
}

#[tokio::test]
async fn pages_are_sorted_by_the_column_but_continued_by_the_document() {
    let altinn = Altinn::start().await;
    let mut cases = Vec::new();
    for _ in 0..6 {
        cases.push(altinn.case().await);
        altinn.local.clock().advance(Duration::from_secs(60));
    }
    let fifth = &cases[4];
    let before = altinn.local.instance(fifth).unwrap();
    // It now comes after the first instance, but its document has not changed.
    assert!(altinn.local.drift(fifth, Duration::from_secs(210)));
    assert_eq!(altinn.local.instance(fifth).unwrap(), before);
    let listed = ascending(&altinn, "size=6").await;
    assert_eq!(listed[1], *fifth, "{listed:?}");
    let since = altinn.local.column(&cases[2]).unwrap();
    let listed = ascending(&altinn, &format!("lastChanged=gte:{since}")).await;
    assert_eq!(listed, [&cases[2], &cases[3], &cases[5]].map(String::clone));
    // The next page starts after the document of the last instance, so instances whose columns are earlier are skipped.
    let listed = ascending(&altinn, "size=2").await;
    assert_eq!(listed, [&cases[0], fifth, &cases[5]].map(String::clone));
}

#[tokio::test]
async fn an_instance_with_a_null_in_confirmed_matches_neither_value() {
    let altinn = Altinn::start().await;
    let case = altinn.case().await;
    assert_eq!(
        ascending(&altinn, "confirmed=false").await,
        std::slice::from_ref(&case)
    );
    assert!(altinn.local.forget_confirmed(&case));
    for confirmed in [true, false] {
        let listed = ascending(&altinn, &format!("confirmed={confirmed}")).await;
        assert_eq!(listed, Vec::<String>::new(), "{confirmed}");
    }
    assert_eq!(ascending(&altinn, "excludeConfirmedBy=ttd").await, [case]);
}

#[tokio::test]
async fn descending_pages_skip_instances_that_changed_at_the_same_time() {
    let altinn = Altinn::start().await;
    altinn.local.clock().stand_at(altinn.local.clock().now());
    for _ in 0..5 {
        altinn.case().await;
    }
    let ascending = pages(&altinn, "appId=ttd/casework&order=asc:lastChanged&size=2")
        .await
        .concat();
    assert_eq!(ascending.iter().collect::<BTreeSet<_>>().len(), 5);
    let descending = pages(&altinn, "appId=ttd/casework&size=2").await.concat();
    assert_ne!(
        descending.iter().collect::<BTreeSet<_>>().len(),
        5,
        "the tie bug of the real one: {descending:?}"
    );
}

#[tokio::test]
async fn deleted_instances_are_included_and_purged_only_when_due() {
    let altinn = Altinn::start().await;
    let archived = altinn.application(Stage::Ended);
    let open = altinn.application(Stage::Task("Task_1".to_owned()));
    altinn.local.delete(&archived, true).unwrap();
    altinn.local.delete(&open, true).unwrap();
    assert_eq!(
        ids(&altinn, "appId=ttd/permit&status.isHardDeleted=true")
            .await
            .len(),
        2
    );
    assert_eq!(altinn.local.purge(), 1, "the one that was never archived");
    read(altinn.request(
        Method::POST,
        &format!("/ttd/permit/instances/{archived}/complete"),
    ))
    .await
    .expect(200);
    assert_eq!(altinn.local.purge(), 0);
    altinn
        .local
        .clock()
        .advance(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(altinn.local.purge(), 1);
    assert_eq!(
        altinn.local.creations().len(),
        2,
        "the journal forgets nothing"
    );
}
