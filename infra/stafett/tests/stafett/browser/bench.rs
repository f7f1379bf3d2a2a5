//! A playground, and a browser that looks at it.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    ChromiumLikeCapabilities, DesiredCapabilities, WebDriver, cdp::Cdp,
    session::handle::SessionHandle,
};
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How long a process that was asked to end may take.
const GRACE: Duration = Duration::from_secs(5);
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// One browser at a time: they are heavy.
static TURN: Mutex<()> = Mutex::const_new(());

/// A playground, and a browser that looks at it. Both end when it is dropped.
pub(crate) struct Bench {
    pub(crate) page: Arc<SessionHandle>,
    pub(crate) url: String,
    // In the order in which they end.
    _browser: Browser,
    _driver: Process,
    _playground: Process,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// The browser of a session: chromedriver does not take it along when it ends.
struct Browser {
    driver: SocketAddr,
    session: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let ended = self.end();
        if !thread::panicking() {
            ended.expect("the browser ends");
        }
    }
}

impl Browser {
    /// Deletes the session, which ends the browser (W3C WebDriver, 8.2). Nothing asynchronous: the runtime may be at
    /// its end.
    fn end(&self) -> io::Result<()> {
        let Self { driver, session } = self;
        let mut connection = TcpStream::connect_timeout(driver, GRACE)?;
        connection.set_read_timeout(Some(DEADLINE))?;
        write!(
            connection,
            "DELETE /session/{session} HTTP/1.1\r\nHost: {driver}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        // To the end of the first line: the connection stays.
        let mut answer = String::new();
        BufReader::new(connection).read_line(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => Err(io::Error::other(answer)),
        }
    }
}

struct Process(Child);

impl Drop for Process {
    /// It is asked to end, and killed if it does not.
    fn drop(&mut self) {
        let asked = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let asked = asked.map(|pid| kill_process(pid, Signal::TERM));
        let began = Instant::now();
        while asked == Some(Ok(())) && began.elapsed() < GRACE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(PAUSE);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says, past the test runner, that a test was left out.
fn leave_out(why: &str) {
    assert!(
        env::var_os("STAFETT_BROWSER").is_none_or(|wanted| wanted != "required"),
        "STAFETT_BROWSER=required, but {why}"
    );
    let test = thread::current()
        .name()
        .unwrap_or("a browser test")
        .to_owned();
    let _ = writeln!(io::stderr(), "{test}: left out: {why}");
}

fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

impl Bench {
    /// Starts both. None, and a word on the terminal, where there is no browser.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        let Some(driver) = program("CHROMEDRIVER", "chromedriver") else {
            leave_out(
                "there is no chromedriver (Debian: chromium-driver), or CHROMEDRIVER that names one",
            );
            return None;
        };
        let turn = TURN.lock().await;
        let (playground, url) = playground(arguments);
        let port = free_port();
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let driver = Process(driver);
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let page = connect(&format!("http://{address}"), profile.path()).await;
        let browser = Browser {
            driver: address,
            session: page.session_id().to_string(),
        };
        Some(Self {
            page,
            url,
            _browser: browser,
            _driver: driver,
            _playground: playground,
            _profile: profile,
            _turn: turn,
        })
    }

    /// Opens a page of the playground.
    pub(crate) async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.url);
        self.page.goto(&url).await.expect("the page opens");
    }

    /// Has the browser be something else than it is (Chrome DevTools Protocol, Emulation).
    pub(crate) async fn emulate(&self, command: &str, parameters: Value) {
        let method = format!("Emulation.{command}");
        let obeyed = Cdp::new(Arc::clone(&self.page))
            .send_raw(&method, parameters)
            .await;
        obeyed.unwrap_or_else(|error| panic!("{method}: {error}"));
    }

    /// What a script returns.
    pub(crate) async fn script(&self, script: &str) -> Value {
        let returned = self.page.execute(script, vec![]).await;
        returned.expect("the script runs").json().clone()
    }

    /// Waits until a script returns true.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let began = Instant::now();
        loop {
            // A page that is being left has no answer.
            let returned = self.page.execute(script, vec![]).await;
            if returned.is_ok_and(|it| it.json() == &Value::Bool(true)) {
                return;
            }
            if began.elapsed() > DEADLINE {
                self.keep_picture("too-late").await;
                let shown = self.script("return document.body.innerText").await;
                panic!("{what}: not within {DEADLINE:?}; shown is:\n{shown}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until the page shows a text.
    pub(crate) async fn until_shown(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({})", json!(text));
        self.until(&format!("`{text}` is shown"), &script).await;
    }

    /// A picture of the page, in target/tmp/screenshots.
    pub(crate) async fn keep_picture(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).expect("a folder for screenshots");
        let path = folder.join(name).with_extension("png");
        let picture = self.page.screenshot_as_png().await;
        fs::write(&path, picture.expect("a screenshot")).expect("a screenshot is written");
        path
    }

    /// What axe-core finds against WCAG 2.2 A and AA on the page, a line each; none, and a word on the terminal,
    /// where there is no axe-core.
    pub(crate) async fn violations(&self) -> Option<Vec<String>> {
        const RUN: &str = "
            const done = arguments[arguments.length - 1];
            axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
                .then(found => done(found.violations.flatMap(rule =>
                    rule.nodes.map(node => `${rule.id}: ${rule.help}: ${node.html}: ${node.failureSummary}`))))
                .catch(error => done([`axe failed: ${error}`]));";
        let Some(axe) = env::var_os("AXE_CORE") else {
            leave_out("AXE_CORE does not name the axe.min.js of npm's axe-core");
            return None;
        };
        let axe = fs::read_to_string(axe).expect("AXE_CORE names a readable file");
        self.page.execute(&*axe, vec![]).await.expect("axe loads");
        let found = self.page.execute_async(RUN, vec![]).await;
        let found = found.expect("axe runs").json().clone();
        Some(serde_json::from_value(found).expect("a list of texts"))
    }
}

async fn connect(driver: &str, profile: &Path) -> Arc<SessionHandle> {
    let mut wanted = DesiredCapabilities::chrome();
    for argument in [
        "--headless",
        // As root, as in a container, Chromium has no sandbox.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-prefers-reduced-motion",
        "--lang=en",
        "--window-size=1280,1000",
        &format!("--user-data-dir={}", profile.display()),
    ] {
        wanted.add_arg(argument).expect("an argument is accepted");
    }
    let began = Instant::now();
    loop {
        match WebDriver::new(driver, wanted.clone()).await {
            Ok(page) => {
                let session = Arc::clone(page.handle());
                // Its own end would wait for an answer on a runtime that is ending: `Browser` sees to that.
                page.leak().expect("a new session has not ended");
                return session;
            }
            Err(error) if began.elapsed() > DEADLINE => panic!("no browser: {error}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Starts the built program as a user does, and reads the page's address from what it prints.
fn playground(arguments: &[&str]) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(["--serve", "--port", "0"])
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("stafett starts");
    let printed = child.stdout.take().expect("its output");
    let child = Process(child);
    let (found, address) = mpsc::channel();
    thread::spawn(move || {
        // Read to the end, so that it never waits for a reader.
        for line in BufReader::new(printed).lines().map_while(Result::ok) {
            if let Some(start) = line
                .find("http://127.0.0.1:")
                .filter(|_| line.contains("playground"))
            {
                let url = line.get(start..).unwrap_or_default();
                let url = url.split_whitespace().next().unwrap_or_default();
                let _ = found.send(url.trim_end_matches('/').to_owned());
            }
        }
    });
    let url = address.recv_timeout(DEADLINE);
    (child, url.expect("the playground's address is printed"))
}
