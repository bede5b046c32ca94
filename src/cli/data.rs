//! The data folder of a server, as commands reach it: by the server that works in it, or, when none
//! does, by hand.
//!
//! What is only read is read beside the server ([`Data::kept`]). What changes something is asked of the
//! server over the socket in the folder ([`Data::running`]); where nobody answers there, the command
//! takes the folder for itself ([`Data::take`]).

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::dialplan::diagnose::{Problem, Severity};
use crate::limits;
use crate::server::admin::socket_in;
use crate::server::clock::Clock;
use crate::server::entropy;
use crate::server::plans;
use crate::server::settings::Settings;
use crate::server::store::{Kept, Store, StoreOptions};

/// What is met where no server listens; the last is a path that no socket can have.
const NOBODY: [io::ErrorKind; 3] = [
    io::ErrorKind::NotFound,
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::InvalidInput,
];

/// Which data folder.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DataArgs {
    /// The server settings, which name the data folder
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub config: Option<PathBuf>,
    /// The data folder [default: data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl DataArgs {
    /// Reads the settings, if they are named. Secrets are the server's: one that this shell has not is
    /// missed only where it is needed, see [`Data::whole`].
    ///
    /// # Errors
    /// What is wrong with them, a line each.
    pub fn open(&self) -> Result<Data> {
        let (settings, problems) = match (&self.data, &self.config) {
            (None, Some(path)) => Settings::read(path, Severity::Warning),
            (Some(folder), _) => {
                let mut settings = Settings::default();
                settings.data.clone_from(folder);
                (Some(settings), Vec::new())
            }
            (None, None) => (Some(Settings::default()), Vec::new()),
        };
        let settings = settings.ok_or_else(|| told(&problems))?;
        let config = self.config.clone();
        Ok(Data { settings, config })
    }
}

fn told(problems: &[Problem]) -> anyhow::Error {
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    anyhow!(problems.join("\n"))
}

/// A data folder, and the settings it was found by.
#[derive(Debug)]
pub struct Data {
    /// The settings; those of a folder that was named alone are the defaults.
    pub settings: Settings,
    config: Option<PathBuf>,
}

impl Data {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.data
    }

    /// The settings as a server would read them, no secret missing.
    ///
    /// # Errors
    /// What is wrong with them, a line each.
    pub fn whole(&self) -> Result<&Settings> {
        Settings::load(self.config.as_deref()).map_err(|problems| told(&problems))?;
        Ok(&self.settings)
    }

    /// What is kept there, to read.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn kept(&self) -> Result<Kept> {
        Kept::open(self.folder())
    }

    /// The server that works in the folder; none when nobody answers at its socket.
    ///
    /// # Errors
    /// When somebody may be there who cannot be asked.
    pub fn running(&self) -> Result<Option<Running>> {
        let socket = socket_in(self.folder());
        match UnixStream::connect(&socket) {
            Ok(_) => Running::at(&socket).map(Some),
            Err(error) if NOBODY.contains(&error.kind()) => Ok(None),
            Err(error) => Err(error).with_context(|| {
                format!(
                    "cannot reach the server at {}; run this as root or as the server's user",
                    socket.display()
                )
            }),
        }
    }

    /// Takes the folder, as a server would: its store, with what a crash left tidied up.
    ///
    /// # Errors
    /// One sentence that says what to do, for instance that a server holds the folder.
    pub fn take(&self) -> Result<Store> {
        // A folder that is no server's would become one.
        self.kept()?;
        let sinks = self.whole()?.sinks.iter().map(|sink| sink.name.clone());
        // A folder may be far from its plan.
        let due = plans::callback_due(&self.settings.dialplans);
        let options = StoreOptions {
            sync: self.settings.sync,
            callback_due: due.unwrap_or(limits::CALLBACK_DUE),
            sinks: sinks.collect(),
            rng: entropy::rng()?,
            clock: Clock::start(),
            on_committed: Box::new(|_| {}),
        };
        let (store, _restored) = Store::open(self.folder(), &self.settings.node, options)?;
        Ok(store)
    }
}

/// The way to a running server.
pub struct Running {
    client: Client,
    runtime: Runtime,
}

impl Running {
    fn at(socket: &Path) -> Result<Self> {
        crate::server::provide_tls();
        let client = Client::builder()
            .unix_socket(socket.to_owned())
            .tls_certs_only(std::iter::empty())
            .timeout(limits::LOCAL_REQUEST)
            .build()
            .context("cannot prepare to ask the server")?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot prepare to ask the server")?;
        Ok(Self { client, runtime })
    }

    /// A page of the API, by its path (`/v1/…`).
    ///
    /// # Errors
    /// The sentence of the server's problem document.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None)
    }

    /// Has something done.
    ///
    /// # Errors
    /// The sentence of the server's problem document.
    pub fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self
            .client
            .request(method, format!("http://localhost{path}"));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let ok = response.status().is_success();
            Ok::<_, reqwest::Error>((ok, response.bytes().await?))
        });
        let (ok, bytes) = answered.context("the server went away while it was asked")?;
        let said: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).context("the server's answer is no JSON")?
        };
        if !ok {
            let detail = said.get("detail").and_then(Value::as_str);
            bail!("{}", detail.unwrap_or("the server refused without a word"));
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(folder: &Path) -> Data {
        let args = DataArgs {
            config: None,
            data: Some(folder.to_owned()),
        };
        args.open().unwrap()
    }

    #[test]
    fn a_folder_without_data_is_named_and_is_not_made_one() {
        let folder = tempfile::tempdir().unwrap();
        let data = data(folder.path());
        for told in [data.kept().map(|_| ()), data.take().map(|_| ())] {
            let told = told.unwrap_err().to_string();
            assert!(told.contains("name the server's data folder"), "{told}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        assert!(data.running().unwrap().is_none());
    }

    #[test]
    fn a_secret_of_the_server_is_missed_only_where_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("strowger.yaml");
        let text = "data: calls\nsinks: { erp: { postgres: \"${env:STROWGER_NO_SUCH_DSN}\" } }\n";
        std::fs::write(&config, text).unwrap();
        let args = DataArgs {
            config: Some(config),
            data: None,
        };
        let data = args.open().unwrap();
        assert_eq!(data.folder(), Path::new("calls"));
        let told = data.whole().unwrap_err().to_string();
        assert!(told.contains("no `STROWGER_NO_SUCH_DSN`"), "{told}");
    }

    #[test]
    fn a_socket_that_a_crash_left_is_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let data = data(folder.path());
        drop(std::os::unix::net::UnixListener::bind(socket_in(folder.path())).unwrap());
        assert!(socket_in(folder.path()).exists());
        assert!(data.running().unwrap().is_none());
    }
}
