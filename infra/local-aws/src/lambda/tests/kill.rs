//! Functions that are killed where they stand.

use tokio::sync::Semaphore;

use super::*;

/// What is alive while code works.
struct Working(Arc<AtomicUsize>);

impl Working {
    fn begin(at_work: &Arc<AtomicUsize>) -> Self {
        at_work.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(at_work))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A function whose invocations wait for `go_on`, each with a task of its own beside it that waits as well.
fn waiting(at_work: &Arc<AtomicUsize>, go_on: &Arc<Semaphore>) -> Function {
    let (at_work, go_on) = (Arc::clone(at_work), Arc::clone(go_on));
    let work = service_fn(move |_: LambdaEvent<Value>| {
        let (at_work, go_on) = (Arc::clone(&at_work), Arc::clone(&go_on));
        async move {
            let beside = {
                let (working, go_on) = (Working::begin(&at_work), Arc::clone(&go_on));
                tokio::spawn(async move {
                    let waited = go_on.acquire().await.map(drop);
                    drop(working);
                    waited
                })
            };
            let _working = Working::begin(&at_work);
            beside.await??;
            Ok::<_, Error>(json!("done"))
        }
    });
    Function::in_process(settings(DEADLINE), work)
}

#[tokio::test]
async fn a_kill_ends_every_invocation_with_all_that_it_has_begun_and_the_next_one_starts_anew() {
    let (at_work, go_on) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let function = waiting(&at_work, &go_on);
    function.isolate().unwrap();
    let running: Vec<_> = (0..3)
        .map(|_| {
            let function = function.clone();
            tokio::spawn(async move { function.invoke(&Value::Null).await })
        })
        .collect();
    eventually(|| at_work.load(Ordering::SeqCst) == 6).await;
    function.kill().await.unwrap();
    assert_eq!(
        at_work.load(Ordering::SeqCst),
        0,
        "nothing runs any further"
    );
    for ended in running {
        let error = ended.await.unwrap().unwrap_err();
        assert!(matches!(error, FunctionError::Exited(_)), "{error}");
    }
    go_on.add_permits(1);
    assert_eq!(function.invoke(&Value::Null).await.unwrap(), "done");
}

#[tokio::test]
async fn a_kill_with_nothing_at_work_harms_nobody() {
    let (at_work, go_on) = (Arc::default(), Arc::new(Semaphore::new(1)));
    let function = waiting(&at_work, &go_on);
    for _ in 0..2 {
        function.kill().await.unwrap();
        assert_eq!(function.invoke(&Value::Null).await.unwrap(), "done");
    }
}

#[tokio::test]
async fn a_function_that_is_by_itself_still_has_its_timeout_and_its_panics() {
    let timeout = Duration::from_millis(50);
    let slow = Function::in_process(settings(timeout), service_fn(play));
    slow.isolate().unwrap();
    let error = slow.invoke(&json!({ "sleep": 60_000 })).await.unwrap_err();
    assert_eq!(error, FunctionError::TimedOut(timeout));
    let panicked = Function::in_process(settings(DEADLINE), service_fn(play));
    panicked.isolate().unwrap();
    let error = panicked
        .invoke(&json!({ "panic": true }))
        .await
        .unwrap_err();
    assert!(matches!(error, FunctionError::Reported { kind, .. } if kind == "Panic"));
}
