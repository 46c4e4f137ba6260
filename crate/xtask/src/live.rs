//! The gate's last stage: the built worker in a real browser, connected over a real WebSocket to a real edge. Every kind
//! of cut is held against the unsplit answer; then the edge is killed in mid-stream and started again. At the end the page
//! itself has its worker die, in a stream and in a search. What the worker finds is held against what the command line does.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::browser::Browser;
use crate::compare;
use crate::gate::Count;
use crate::metadata;
use crate::serve::{self, Report};
use crate::shell::Shell;

/// Far more than the whole takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of every edge that is started here.
pub const TOKEN: &str = "for-tests-alone";

/// Runs the script of `www/live.js` to its end.
pub fn run(shell: &Shell) -> Result<Count> {
    let (page, reports) = serve::start(vec![shell.dist(), shell.root().join("www"), shell.root().join(compare::CASE)])?;
    let edge = Edge::on_free_port(shell, &format!("http://{page}"))?;
    let mut child = edge.start()?;
    let _browser =
        Browser::open(shell, &format!("http://{page}/live.html#edge=ws://{}/ws&token={TOKEN}", edge.address))?;
    let mut passed = 0;
    let outcome = loop {
        match next(&reports) {
            Ok(Report::Step(step)) => {
                println!("ok     {step}");
                passed += 1;
                match step.as_str() {
                    "streaming" => child.stop(),
                    "the edge is missed" => child = edge.start()?,
                    _ => {}
                }
            }
            Ok(Report::Result(figures)) => {
                println!("ok     {figures}");
                break Ok(());
            }
            Ok(Report::Failure(why)) => break Err(why),
            Ok(Report::Compare(found)) => match compare::with_command(shell, &found) {
                Ok(same) => {
                    println!("ok     {same}");
                    passed += 1;
                }
                Err(why) => break Err(format!("{why:#}")),
            },
            Err(why) => break Err(why.to_string()),
        }
    };
    if let Err(why) = outcome {
        println!("FAILED {why}");
        return Ok(Count { passed, failed: 1, ignored: 0 });
    }
    Ok(Count { passed: passed + 1, ..Count::default() })
}

fn next(reports: &Receiver<Report>) -> Result<Report> {
    reports.recv_timeout(PATIENCE).with_context(|| format!("the page said nothing for {} s", PATIENCE.as_secs()))
}

/// An edge that can be started again at the same address.
pub struct Edge {
    program: PathBuf,
    address: String,
    origin: String,
}

impl Edge {
    /// An edge for pages of this origin.
    pub fn on_free_port(shell: &Shell, origin: &str) -> Result<Self> {
        let program = metadata::target_folder(shell)?.join("release/cleave-edge");
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
        Ok(Self { program, address, origin: origin.to_owned() })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Starts it and waits until it listens.
    pub fn start(&self) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(["--listen", &self.address, "--token", TOKEN, "--allow-origin", &self.origin]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running(command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if std::net::TcpStream::connect(&self.address).is_ok() {
                return Ok(running);
            }
            if let Some(status) = running.0.try_wait()? {
                bail!("cleave-edge ended at once ({status})");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("cleave-edge does not listen on {}", self.address)
    }
}

/// A running edge; killed with its owner, without a chance to say goodbye.
pub struct Running(Child);

impl Running {
    fn stop(&mut self) {
        // Nothing is lost if it has ended already.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
