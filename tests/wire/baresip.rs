//! baresip as an operator's softphone, and as a carrier that is no sipp. It says a tone of its own
//! and dumps what it hears.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::sound;

const MODULES: &str = "/usr/lib/baresip/modules";

/// A running baresip.
pub struct Baresip {
    folder: PathBuf,
    child: Child,
}

impl Baresip {
    /// An operator's phone that answers by itself.
    pub fn phone(folder: &Path, user: &str, hertz: f64, server: SocketAddr) -> Self {
        let account = format!(
            "<sip:{user}@strowger.test;transport=udp>;auth_user={user};auth_pass=secret-{user};outbound=\"sip:{server}\";regint=60;answermode=auto;audio_codecs=PCMA\n"
        );
        Self::start(folder, user, hertz, &account, "127.0.0.1:0", &[])
    }

    /// An operator's phone that answers by itself, over TCP, or over TLS with the authority it trusts.
    pub fn phone_on_stream(
        folder: &Path,
        user: &str,
        hertz: f64,
        server: SocketAddr,
        ca: Option<&Path>,
    ) -> Self {
        let by = if ca.is_some() { "tls" } else { "tcp" };
        let account = format!(
            "<sip:{user}@strowger.test;transport={by}>;auth_user={user};auth_pass=secret-{user};outbound=\"sip:{server};transport={by}\";regint=60;answermode=auto;audio_codecs=PCMA\n"
        );
        let trust = ca.map_or_else(String::new, |ca| {
            format!("sip_verify_server yes\nsip_cafile {}\n", ca.display())
        });
        Self::begin(folder, user, hertz, &account, "127.0.0.1:0", &trust, &[])
    }

    /// An operator's phone whose media is encrypted or not at all.
    pub fn encrypted_phone(folder: &Path, user: &str, hertz: f64, server: SocketAddr) -> Self {
        let account = format!(
            "<sip:{user}@strowger.test;transport=udp>;auth_user={user};auth_pass=secret-{user};outbound=\"sip:{server}\";regint=60;answermode=auto;audio_codecs=PCMA;mediaenc=srtp-mand\n"
        );
        Self::start(folder, user, hertz, &account, "127.0.0.1:0", &[])
    }

    /// A carrier at `listen` that places one call and hangs up when its six seconds are over.
    pub fn carrier(folder: &Path, listen: SocketAddr, hertz: f64, server: SocketAddr) -> Self {
        Self::patient_carrier(folder, listen, hertz, server, "6")
    }

    /// The same with more patience, in seconds.
    pub fn patient_carrier(
        folder: &Path,
        listen: SocketAddr,
        hertz: f64,
        server: SocketAddr,
        seconds: &str,
    ) -> Self {
        let account =
            "<sip:+380671112233@127.0.0.1;transport=udp>;regint=0;audio_codecs=PCMU\n".to_owned();
        let dial = format!("/dial sip:0800301231@{server}");
        Self::start(
            folder,
            "carrier",
            hertz,
            &account,
            &listen.to_string(),
            &["-e", &dial, "-t", seconds],
        )
    }

    fn start(
        folder: &Path,
        name: &str,
        hertz: f64,
        account: &str,
        listen: &str,
        more: &[&str],
    ) -> Self {
        Self::begin(folder, name, hertz, account, listen, "", more)
    }

    fn begin(
        folder: &Path,
        name: &str,
        hertz: f64,
        account: &str,
        listen: &str,
        trust: &str,
        more: &[&str],
    ) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let tone = folder.join("says.wav");
        sound::write_tone(&tone, hertz, 60.0);
        let (tone, dumps) = (tone.display(), folder.display());
        let config = format!(
            "poll_method epoll
sip_listen {listen}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 2
audio_source aufile,{tone}
audio_player aubridge,null
audio_alert aubridge,null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtcp_enable no
jitter_buffer_delay 2-5
module_path {MODULES}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_tmp account.so
module_app menu.so
snd_path {dumps}
{trust}"
        );
        fs::write(folder.join("config"), config).unwrap();
        fs::write(folder.join("accounts"), account).unwrap();
        let child = Command::new("baresip")
            .arg("-4")
            .arg("-f")
            .arg(&folder)
            .args(more)
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.join("log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("baresip is missing: run ./test, or install Debian's package baresip");
        Self { folder, child }
    }

    /// Hangs up, ends, and gives what was heard in each call, oldest first.
    pub fn heard(mut self) -> Vec<Vec<f64>> {
        let pid = self.child.id().to_string();
        let _sent = Command::new("kill").args(["-INT", &pid]).status();
        let _ended = self.child.wait();
        let mut dumps: Vec<_> = fs::read_dir(&self.folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        dumps.sort();
        dumps
            .iter()
            .map(|dump| sound::channels(dump).remove(0))
            .collect()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
