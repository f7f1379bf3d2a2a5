//! A form that B's model class cannot deserialise. Each version of the app library rejects it in its own way;
//! B is asked once, and the error is reported.

use local_altinn::Library;
use serde_json::json;
use tests::{CASEWORK, ROUTE, Story, mistaken_route, permit_route, routes};

use super::{HOUR, item, live, pass, triggered, whole};

/// Older libraries do not derive texts and values from the form at creation (measured:
/// tests/recorded/older/v8.0.0-create-full).
const WRITES_VALUES: Library = Library::new(8, 5, 0);

async fn refused_by(library: Library, delete: bool) {
    let (folder, b) = mistaken_route();
    let story = Story::on(&folder).await;
    story.altinn.deploy(b);
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.run_on(library);
    if delete {
        b.permit("delete");
    }
    let a = triggered(&story).await;
    pass(&story, HOUR).await;
    let failed = item(&story, &a).await;
    let told = if delete { "b_refused" } else { "orphan_left" };
    assert_eq!(
        (&failed["state"], &failed["reason"]),
        (&json!("failed"), &json!(told)),
        "{library}: {failed}"
    );
    let detail = failed["detail"].as_str().unwrap_or_default();
    assert!(
        detail.contains("its class cannot read the form"),
        "{library}: {detail}"
    );
    assert_eq!(
        (story.posts().len(), story.creations()),
        (1, 1),
        "{library}"
    );
    assert_eq!(live(&story), usize::from(!delete), "{library}");
    let dead = story.dead_letters(1).await;

    // The author corrects the route, and the operator redrives the message.
    let right = routes([(ROUTE, permit_route())]);
    story
        .deploy(right.path())
        .await
        .expect("the route is corrected");
    story.send(dead).await;
    pass(&story, HOUR).await;
    if library >= WRITES_VALUES {
        whole(&story, &a).await;
    } else {
        story.reaches(ROUTE, &a, "done").await;
        let b = story.the_live_b(ROUTE, &a);
        assert_eq!(b.field("soknad/referanse"), [&a]);
        assert_eq!(b.attachments, story.files_for_b(&a));
    }
    assert_eq!(live(&story), 1, "{library}");
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn a_library_that_answers_500_and_deletes_nothing_is_called_once_and_its_error_reported() {
    for delete in [false, true] {
        for library in [Library::new(8, 0, 0), Library::new(8, 4, 9)] {
            refused_by(library, delete).await;
        }
    }
}

#[tokio::test]
async fn a_library_that_answers_an_empty_403_is_called_once_and_its_error_reported() {
    for delete in [false, true] {
        refused_by(Library::new(8, 12, 2), delete).await;
    }
}

#[tokio::test]
async fn the_current_library_and_version_9_are_called_once_and_their_error_reported() {
    for delete in [false, true] {
        for library in [Library::TODAY, Library::NEXT] {
            refused_by(library, delete).await;
        }
    }
}
