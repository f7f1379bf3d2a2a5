//! `cargo run`: how it starts, and how it ends.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

struct Program {
    child: Child,
    /// The line with the playground's address.
    line: String,
    address: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(arguments: &[&str], temporary: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stafett"))
            .args(arguments)
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap());
        let (found, line) = mpsc::channel();
        thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                if line.contains("playground") {
                    let _ = found.send(line);
                }
            }
        });
        let line = line.recv_timeout(DEADLINE).expect("its address is printed");
        let address = line.split("http://").nth(1).unwrap();
        let address = address.split_whitespace().next().unwrap().to_owned();
        Self {
            child,
            line,
            address,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "it does not end");
            thread::sleep(PAUSE);
        }
    }
}

#[test]
fn an_interrupt_ends_it_and_nothing_is_left_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut program = Program::start(&["--no-samples", "--port", "0"], temporary.path());
    assert!(TcpStream::connect(&program.address).is_ok());
    program.signal(Signal::INT);
    assert_eq!(program.ended().code(), Some(0), "it was there to be ended");
    assert!(TcpStream::connect(&program.address).is_err());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupt_in_the_middle_of_the_samples_ends_them() {
    let temporary = tempfile::tempdir().unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut program = Program::start(&["--port", "0"], temporary.path());
        program.signal(signal);
        assert_eq!(program.ended().code(), Some(code));
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}

#[test]
fn whoever_reads_its_lines_may_go_away() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(["--port", "0", "--serve"])
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        line.unwrap()
            .split_once("http://")
            .map(|(_, it)| it.to_owned())
    });
    let address = address.unwrap();
    drop(lines);
    // The samples are played to nobody, and all of it is still there afterwards.
    let began = Instant::now();
    while !is_idle(&address) {
        assert!(began.elapsed() < DEADLINE, "the samples do not end");
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        thread::sleep(PAUSE);
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Whether nothing is played any more.
fn is_idle(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /?lang=en HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page.contains("class=\"badge good\"") && !page.contains("still being played")
}

#[test]
fn an_occupied_port_is_said_and_the_next_free_one_taken() {
    let temporary = tempfile::tempdir().unwrap();
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port().to_string();
    let mut program = Program::start(&["--no-samples", "--port", &port], temporary.path());
    assert!(
        program.line.contains(&format!("port {port} is in use")),
        "{}",
        program.line
    );
    assert!(!program.address.ends_with(&format!(":{port}")));
    assert!(TcpStream::connect(&program.address).is_ok());
    program.signal(Signal::TERM);
    assert!(program.ended().success());
}
