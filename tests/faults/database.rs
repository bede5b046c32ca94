//! A PostgreSQL of a test's own: the real server in a folder of its own, reached over TLS with a
//! password, stopped as by a power cut and started again.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use crate::rig::{SOON, wait};

/// The password of the server's user, with a character that an address must escape.
const PASSWORD: &str = "s@cret";

/// The database server. Dropped, it is stopped.
pub struct Database {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// A port of the loopback that nobody uses.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Writes an authority (`ca.pem`) and a certificate of it for `localhost` (`server.pem`, `server.key`).
pub fn certify(folder: &Path) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signed = authority.self_signed(&authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::from_params(&authority, &authority_key);
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("ca.pem"), signed.pem()).unwrap();
    fs::write(folder.join("server.pem"), server.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

/// Sends a process a signal.
pub fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status();
    assert!(sent.unwrap().success());
}

impl Database {
    /// A new server with the user `pbx` and the database `calls`, which is the user's.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = programs();
        let mut database = Self {
            folder,
            programs,
            port: free_port(),
            child: None,
        };
        database.give(database.folder.path(), 0o755);
        database.run(
            "initdb",
            &[
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
                "-D",
                &database.at("data"),
            ],
        );
        database.write(
            "data/pg_hba.conf",
            "local all all trust\nhostssl all pbx 127.0.0.1/32 scram-sha-256\n",
        );
        certify(database.folder.path());
        database.give(&database.folder.path().join("server.key"), 0o600);
        database.spawn();
        database.ask_of(
            "postgres",
            &format!("CREATE USER pbx PASSWORD '{PASSWORD}'"),
        );
        database.ask_of("postgres", "CREATE DATABASE calls OWNER pbx");
        database
    }

    /// What the settings of a sink say.
    pub fn sink(&self) -> String {
        format!(
            "{{ postgres: \"postgres://pbx:s%40cret@localhost:{}/calls?sslmode=verify-full\", ca: {} }}",
            self.port,
            self.at("ca.pem")
        )
    }

    /// Starts it again, as it was.
    pub fn spawn(&mut self) {
        let port = self.port.to_string();
        let (data, sockets) = (self.at("data"), self.at(""));
        let certificate = format!("ssl_cert_file={}", self.at("server.pem"));
        let key = format!("ssl_key_file={}", self.at("server.key"));
        let words = [
            "-D",
            &data,
            "-p",
            &port,
            "-h",
            "127.0.0.1",
            "-k",
            &sockets,
            "-c",
            "ssl=on",
            "-c",
            &certificate,
            "-c",
            &key,
            "-c",
            "fsync=off",
        ];
        let mut server = self.program("postgres", &words);
        server.stdout(Stdio::null()).stderr(Stdio::null());
        let child = server.spawn().unwrap();
        self.child = Some(child);
        wait("PostgreSQL answers", SOON, || {
            self.query("calls", "SELECT 1").is_ok() || self.query("postgres", "SELECT 1").is_ok()
        });
    }

    /// Ends it at once, without a checkpoint and without a word to its clients.
    pub fn cut(&mut self) {
        let mut child = self.child.take().expect("it runs");
        signal(&child, "-QUIT");
        child.wait().unwrap();
    }

    /// The rows of a statement, a line each, with `|` between the columns.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        self.ask_of("calls", sql)
    }

    fn ask_of(&self, database: &str, sql: &str) -> Vec<String> {
        let rows = self
            .query(database, sql)
            .unwrap_or_else(|said| panic!("{sql}: {said}"));
        rows.lines().map(str::to_owned).collect()
    }

    fn query(&self, database: &str, sql: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let sockets = self.at("");
        let words = [
            "-X", "-A", "-t", "-q", "-h", &sockets, "-p", &port, "-d", database, "-c", sql,
        ];
        let output = self.program("psql", &words).output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn run(&self, program: &str, words: &[&str]) {
        let output = self.program(program, words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
    }

    /// A program of PostgreSQL. As root it runs as the user that Debian made for it, because it refuses
    /// to run as root.
    fn program(&self, name: &str, words: &[&str]) -> Command {
        let path = self.programs.join(name);
        let mut command = if owner().is_some() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(path);
            command
        } else {
            Command::new(path)
        };
        command.args(words).current_dir(self.folder.path());
        command.env("PGUSER", superuser()).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null());
        command
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        self.give(&path, 0o644);
    }

    fn give(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if let Some(owner) = owner() {
            chown(path, Some(owner), None).unwrap();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.cut();
        }
    }
}

/// The user `postgres`, when we are root.
fn owner() -> Option<u32> {
    let number = |words: &[&str]| -> u32 {
        let output = Command::new("id").args(words).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    (number(&["-u"]) == 0).then(|| number(&["-u", "postgres"]))
}

fn superuser() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(output.stdout).unwrap();
    if owner().is_some() {
        "postgres".to_owned()
    } else {
        name.trim().to_owned()
    }
}

/// Where the programs are: Debian keeps them beside their version, others in the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let beside = versions.map(|version| version.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    beside
        .chain(env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists())
        .expect("PostgreSQL is installed")
}
