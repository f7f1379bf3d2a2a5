//! What `try` says of an A instance is what the function makes of it: the same draft, or the same reason.
//!
//! `STAFETT_INSTANCES=2000` asks more random instances; `STAFETT_SEED` asks those of an earlier run again.

mod given;
mod random;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use app_files::Apps;
use author::{
    InstanceData, LocatedRoute, Places,
    check::Checked,
    try_out::{Preview, Refusal, TryOut},
};
use local_altinn::{App, Config, InstanceFolderReader, Register};
use local_world::deployment::{Plan, sample_apps, sample_routes};
use serde_json::Value;
use stafett_core::{
    instance::Instance,
    route::{Route, Routes},
};
use tests::{Folder, Story, eventually};

/// How many random instances are asked, and how many of them share a model.
const INSTANCES: usize = 120;
const PER_MODEL: usize = 12;
/// Models in one deployment.
const MODELS_AT_ONCE: usize = 10;

/// Apps, routes between them, and folders with A instances.
struct Scene {
    apps: Vec<PathBuf>,
    routes: PathBuf,
    folders: Vec<PathBuf>,
}

/// What a scene came to.
#[derive(Debug, Default)]
struct Tally {
    drafts: usize,
    /// Relays without a B, by reason.
    refusals: BTreeMap<String, usize>,
    differences: Vec<String>,
}

impl Scene {
    /// Imports, triggers and tries every instance, and compares.
    async fn play(&self, tally: &mut Tally) {
        let files = Apps::read_all(&self.apps).expect("the apps can be read");
        let mut plan = Plan::samples().expect("the samples can be read");
        let load = |files: &Apps| -> Vec<App> {
            files
                .iter()
                .map(|app| App::from_files(app).expect("it is an app"))
                .collect()
        };
        plan.altinn.apps = load(&files);
        plan.routes.clone_from(&self.routes);
        let story = Story::begin(plan).await;
        let reader = InstanceFolderReader::new(Config {
            apps: load(&files),
            register: Register::load(&sample_apps().join("register.yaml")).expect("a register"),
            ..Config::default()
        })
        .expect("folders can be read");
        let routes = Routes::load(&self.routes).expect("the routes are sound");
        let mut relays = Vec::new();
        for folder in &self.folders {
            let source = read(&reader, &files, folder);
            let app = source.instance.app.clone();
            let id = story.import_from(folder);
            eventually("the trigger is accepted", async || {
                match story.trigger_of(&app.to_string(), &id).await {
                    202 => Ok(()),
                    // The queue may be too busy.
                    status => Err(status.to_string()),
                }
            })
            .await;
            relays.extend(
                routes
                    .for_app(&app)
                    .map(|route| (route, folder, source.clone())),
            );
        }
        for (route, folder, source) in relays {
            let b = files.get(&route.to.app).expect("B's files are there");
            let places = Places::default();
            let located = LocatedRoute {
                route,
                file: Path::new("route.yaml"),
                places: &places,
            };
            let b = b.target_app();
            let tried = TryOut::of(located, &source, Some(&b), &Checked::default());
            for (what, difference) in differences(&story, route, &tried, tally).await {
                let folder = kept(folder);
                tally
                    .differences
                    .push(format!("{} of {folder}: {what}: {difference}", route.name));
            }
        }
        story.end().await;
    }
}

/// The folder's content, since the folder itself is gone when the test ends.
fn kept(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let shown = files.filter_map(|file| {
        let path = file.ok()?.path();
        Some(format!(
            "{}: {}",
            path.display(),
            std::fs::read_to_string(&path).ok()?
        ))
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// The A instance in a folder, as the command line reads it.
fn read(reader: &InstanceFolderReader, files: &Apps, folder: &Path) -> InstanceData {
    let read = reader.read(folder).expect("the folder holds an instance");
    let instance = Instance::from_json(read.instance).expect("it is an instance");
    let app = files.get(&instance.app).expect("A's files are there");
    InstanceData::new(instance, &app.metadata, read.forms)
}

/// Waits for the relays of an A instance, and names what is not as `try` said.
async fn differences(
    story: &Story,
    route: &Route,
    tried: &TryOut,
    tally: &mut Tally,
) -> Vec<(&'static str, String)> {
    let instance = tried.instance.to_string();
    let mut found = Vec::new();
    if let Some(refusal) = &tried.refusal {
        found.extend(of_refusal(story, &instance, route.name.as_str(), refusal, tally).await);
    }
    for part in &tried.parts {
        let digest = part.relay.splitn(3, ':').nth(2);
        let key = match digest {
            Some(digest) => format!("{}#{digest}", route.name),
            None => route.name.to_string(),
        };
        match (&part.refusal, &part.b) {
            (Some(refusal), _) => {
                found.extend(of_refusal(story, &instance, &key, refusal, tally).await);
            }
            (None, Some(b)) => found.extend(of_b(story, route, &instance, &key, b, tally).await),
            (None, None) => found.push(("part", "neither B nor a reason".to_owned())),
        }
    }
    found
}

/// The relay's record once it rests.
async fn rests(story: &Story, instance: &str, key: &str) -> Value {
    eventually(
        &format!("the relay {key} of {instance} rests"),
        async || {
            let item = story
                .ledger_item(instance, key)
                .await
                .expect("the ledger answers");
            match item["state"].as_str() {
                Some("done" | "failed" | "waiting") => Ok(item),
                _ => Err(item.to_string()),
            }
        },
    )
    .await
}

async fn of_refusal(
    story: &Story,
    instance: &str,
    key: &str,
    refusal: &Refusal,
    tally: &mut Tally,
) -> Option<(&'static str, String)> {
    let item = rests(story, instance, key).await;
    *tally.refusals.entry(refusal.reason.to_owned()).or_default() += 1;
    let (reason, detail) = (item["reason"].as_str(), item["detail"].as_str());
    let same = reason == Some(refusal.reason) && detail == refusal.detail.as_deref();
    (!same).then(|| ("reason", format!("try {refusal:?}, ledger {item}")))
}

async fn of_b(
    story: &Story,
    route: &Route,
    instance: &str,
    key: &str,
    b: &Preview,
    tally: &mut Tally,
) -> Vec<(&'static str, String)> {
    let item = rests(story, instance, key).await;
    if item["state"] != "done" {
        return vec![("state", format!("try has a B, ledger {item}"))];
    }
    tally.drafts += 1;
    let id = item["instance"]
        .as_str()
        .expect("a relay that is done names its B");
    let made = story.altinn.instance(id).expect("B is there");
    let mut found = Vec::new();
    let mut compare = |what, tried: Value, made: Value| {
        if tried != made {
            found.push((what, format!("try {tried}, B {made}")));
        }
    };
    let app = story.altinn.app(&route.to.app.to_string()).expect("B runs");
    let form_type = b.form_type.as_deref().expect("B's form type is known");
    let model = app.model(form_type).expect("B has a model");
    let form = |xml: &[u8]| model.to_json(&model.read_xml(xml).expect("B reads it"), false);
    let elements = made["data"].as_array().expect("B has data");
    let stored = elements.iter().find(|it| it["dataType"] == form_type);
    let stored = stored.and_then(|it| story.altinn.bytes(id, it["id"].as_str()?));
    let xml = b.xml.as_ref().expect("the form is sent as XML");
    compare(
        "form",
        form(xml.as_bytes()),
        stored.map_or(Value::Null, |stored| form(&stored)),
    );
    for (kind, number) in b.owner.as_object().expect("an owner") {
        compare("owner", number.clone(), made["instanceOwner"][kind].clone());
    }
    for (stamp, value) in &b.stamps {
        compare(
            "stamp",
            value.clone().into(),
            made["dataValues"][stamp].clone(),
        );
    }
    let file = |name: &str, content_type: &str, data_type: &str, size: u64| {
        format!("{data_type} {name} {content_type} {size}")
    };
    let mut tried: Vec<String> = b
        .attachments
        .iter()
        .map(|it| file(&it.filename, &it.content_type, &it.to, it.size))
        .collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut sent: Vec<String> = elements
        .iter()
        .filter(|it| it["dataType"] != form_type)
        .map(|it| {
            file(
                &text(&it["filename"]),
                &text(&it["contentType"]),
                &text(&it["dataType"]),
                it["size"].as_u64().unwrap_or_default(),
            )
        })
        .collect();
    tried.sort();
    sent.sort();
    compare("attachments", tried.into(), sent.into());
    found
}

/// A copy of a sample whose instance has an id, so that all who read it see the same one.
fn identified(sample: &Path) -> Folder {
    let folder = Folder::copy(sample);
    let file = folder.path().join("instance.json");
    let text = std::fs::read_to_string(&file).expect("the sample has an instance");
    let mut instance: Value = serde_json::from_str(&text).expect("it is JSON");
    if instance["id"].is_null() {
        instance["id"] = format!("51001236/{}", uuid::Uuid::new_v4()).into();
    }
    folder.with("instance.json", instance.to_string())
}

#[tokio::test]
async fn try_and_the_function_agree_about_the_samples() {
    let apps = sample_apps();
    let samples = ["ttd/permit", "ttd/estate"].into_iter().flat_map(|app| {
        let samples = std::fs::read_dir(apps.join(app).join("samples")).expect("it has samples");
        samples.map(|sample| identified(&sample.expect("a sample").path()))
    });
    let samples: Vec<Folder> = samples.collect();
    let scene = Scene {
        folders: samples.iter().map(|it| it.path().to_owned()).collect(),
        apps: vec![apps.clone()],
        routes: sample_routes(),
    };
    let mut tally = Tally::default();
    scene.play(&mut tally).await;
    assert!(tally.differences.is_empty(), "{:#?}", tally.differences);
    assert!(tally.drafts > scene.folders.len(), "{tally:?}");
}

#[tokio::test]
async fn try_and_the_function_agree_about_what_can_be_wrong_with_an_instance() {
    let given = given::Given::new();
    let mut tally = Tally::default();
    given.scene().play(&mut tally).await;
    assert!(
        tally.differences.is_empty(),
        "{}",
        tally.differences.join("\n")
    );
    for reason in given::REASONS {
        assert!(tally.refusals.contains_key(*reason), "{reason}: {tally:?}");
    }
    assert!(tally.drafts >= given::DRAFTS, "{tally:?}");
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the numbers of a long run are wanted")]
async fn try_and_the_function_agree_about_random_instances_of_random_models() {
    let set = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let wanted = set("STAFETT_INSTANCES").map_or(INSTANCES, |wanted| wanted as usize);
    let seed = set("STAFETT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut models = wanted.div_ceil(PER_MODEL);
    let mut tally = Tally::default();
    while models > 0 {
        let now = models.min(MODELS_AT_ONCE);
        models -= now;
        let worlds = random::Worlds::new(&mut rng, now, PER_MODEL);
        worlds.scene().play(&mut tally).await;
    }
    println!("seed {seed}: {} drafts, {:?}", tally.drafts, tally.refusals);
    assert!(
        tally.differences.is_empty(),
        "seed {seed}: {} differences\n{}",
        tally.differences.len(),
        tally.differences.join("\n")
    );
    // Both outcomes are common, or the comparison shows little.
    let refused: usize = tally.refusals.values().sum();
    assert!(
        tally.drafts * 5 > wanted && refused * 20 > wanted,
        "{tally:?}"
    );
}
