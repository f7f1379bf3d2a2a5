//! A playground, and somebody who looks at it without a browser.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use local_world::{
    deployment::{Deployment, Plan, sample_apps, sample_routes},
    timeline::Timeline,
};
use playground::{Playground, Scene};
use reqwest::{Client, Response, redirect::Policy};
use stafett_core::route::Routes;

pub(crate) const DEADLINE: Duration = Duration::from_secs(180);
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// A playground with the samples' apps and routes, where nothing has been played.
pub(crate) struct Stage {
    pub(crate) playground: Playground,
    pub(crate) deployment: Arc<Deployment>,
    client: Client,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let timeline = Timeline::start();
        let deployment = Deployment::start(Plan::samples().unwrap()).await.unwrap();
        let deployment = Arc::new(deployment);
        let scene = Scene {
            deployment: Arc::clone(&deployment),
            timeline,
            routes: Routes::load(&sample_routes()).unwrap(),
            routes_folder: sample_routes(),
            apps_folders: vec![sample_apps()],
        };
        let playground = Playground::start(scene, 0).await.unwrap();
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self {
            playground,
            deployment,
            client,
        }
    }

    /// Stops all of it; the deployment was let go of by every page.
    pub(crate) async fn stop(self) {
        self.playground.stop().await;
        let deployment = Arc::into_inner(self.deployment);
        deployment.expect("nobody holds on to it").stop().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.playground.url())
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path));
        request
            .header("Accept-Language", "en")
            .send()
            .await
            .unwrap()
    }

    /// A page in English.
    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(String, String)],
    ) -> Response {
        let request = self.client.post(self.url(path)).form(fields);
        let mut request = request.build().unwrap();
        for (name, value) in headers {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        self.client.execute(request).await.unwrap()
    }

    /// Sends a form with files, as browsers do.
    pub(crate) async fn send(
        &self,
        path: &str,
        fields: &[(String, String)],
        files: &[(&str, &str, &str)],
    ) -> Response {
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in fields {
            form = form.text(name.clone(), value.clone());
        }
        for (input, name, kind) in files {
            let part = reqwest::multipart::Part::text("what is in it");
            let part = part.file_name((*name).to_owned()).mime_str(kind).unwrap();
            form = form.part((*input).to_owned(), part);
        }
        let request = self.client.post(self.url(path)).multipart(form);
        request
            .header("Accept-Language", "en")
            .send()
            .await
            .unwrap()
    }

    /// Waits until a page shows a text; the page.
    pub(crate) async fn until_shown(&self, path: &str, text: &str) -> String {
        let began = Instant::now();
        loop {
            let page = self.page(path).await;
            if page.contains(text) {
                return page;
            }
            assert!(
                began.elapsed() < DEADLINE,
                "{path} never shows {text}: {page}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}
