//! The `cleave-edge` program: reads its command line, prints the start URL, serves until it is told to end.

mod args;

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use args::Args;
use clap::Parser;
use cleave_edge::{EdgeError, serve_on};
use tokio::net::TcpListener;

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    log.with_target(false).with_max_level(args.log).init();
    match run(args) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("cleave-edge: {why:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config()?;
    config.check()?;
    let listener = TcpListener::bind(args.listen).await.map_err(|why| EdgeError::listen(args.listen, why))?;
    let address = listener.local_addr().context("the listening address cannot be read")?;
    if !address.ip().is_loopback() {
        tracing::warn!(
            "{address} can be reached from other machines, and nothing is encrypted: use it in trusted networks only"
        );
    }
    // The one place where the token is told; logs go elsewhere.
    writeln!(std::io::stdout(), "{}#token={}", start_url(address), config.token.expose())
        .context("the start URL cannot be written to standard output")?;
    serve_on(listener, config, end_signal()).await?;
    tracing::info!("ended");
    Ok(())
}

/// An address to open: "every interface" is none, this machine is.
fn start_url(address: SocketAddr) -> String {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    format!("http://{}/", SocketAddr::new(ip, address.port()))
}

/// Ctrl-C, or the signal by which service managers end a program.
async fn end_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminated() => {}
    }
    tracing::info!("ending: open sessions are told");
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
