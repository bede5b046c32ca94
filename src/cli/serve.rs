//! `strowger serve`: the server, until it is told to stop.
//!
//! SIGTERM and SIGINT drain; a second one ends at once. SIGHUP reads the dialplan and the certificate again.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::server::handed::Handed;
use crate::server::notify::Notify;
use crate::server::server::Server;
use crate::server::settings::Settings;
use crate::time::Duration;

/// How often the service manager is asked for more time while calls drain.
const EXTENSION: Duration = Duration::from_secs(10);

/// Arguments of `strowger serve`.
#[derive(clap::Args, Debug)]
#[command(
    about = "Run the server",
    after_help = "Example:\n  strowger serve --config /etc/strowger/strowger.yaml"
)]
pub struct Args {
    /// The server settings; without them everything is embedded and listens on loopback alone
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The dialplan, a file or a folder of *.yaml; default: what the settings say, else `dialplans`
    #[arg(long, value_name = "DIR")]
    pub dialplans: Option<PathBuf>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let mut settings = match Settings::load(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return ExitCode::FAILURE;
        }
    };
    if let Some(dialplans) = &args.dialplans {
        settings.dialplans.clone_from(dialplans);
    }
    crate::server::log::begin(&settings.log);
    let handed = match Handed::take() {
        Ok(handed) => handed,
        Err(error) => {
            eprintln!("strowger: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ran = runtime
        .context("cannot start the threads of the server")
        .and_then(|runtime| runtime.block_on(serve(settings, handed)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strowger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: Settings, handed: Handed) -> Result<()> {
    let notify = Notify::from_environment();
    let drain = settings.drain;
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::start(settings, handed, super::progress::prompts()).await?;
    // While prompts are rendered there is nothing to drain: until here these two end the process.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for (transport, address) in server.addresses() {
        tracing::info!("SIP at {}://{address}", transport.as_str().to_lowercase());
    }
    tracing::info!("ready; metrics at http://{}/metrics", server.http());
    notify.ready();
    let asked_to_stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::select! {
        () = asked_to_stop => {}
        () = server.watch() => {}
        () = async {
            while hangup.recv().await.is_some() {
                server.renew_certificate().await;
                let _told_already = server.reload().await;
            }
        } => {}
    }
    tracing::info!("draining: no new calls, the live ones may finish");
    notify.stopping();
    tokio::select! {
        () = server.drain(drain) => {}
        () = ask_for_time(&notify) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = server.stop() => {}
        () = ask_for_time(&notify) => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// However long the drain, the unit's own bound on stopping does not cut it. Never ends.
async fn ask_for_time(notify: &Notify) {
    loop {
        notify.extend(EXTENSION * 3);
        tokio::time::sleep(EXTENSION).await;
    }
}
