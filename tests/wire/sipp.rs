//! sipp, playing one side of a call by a scenario in `tests/wire/sipp/`. The scenarios are sipp's own
//! XML with steps that every one needs written in short: `{{bye 2}}` stands for a whole BYE and its 200.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::hook::{deadline, now};

/// How one sipp is started.
#[derive(Clone)]
pub struct Role {
    /// The scenario, without folder and ending.
    pub scenario: &'static str,
    /// Where it speaks from.
    pub address: SocketAddr,
    /// Over TCP; else UDP.
    pub tcp: bool,
    /// What `{{word}}` means besides the steps.
    pub words: Vec<(&'static str, String)>,
}

/// A running sipp.
pub struct Sipp {
    /// The scenario and who plays it.
    pub title: String,
    folder: PathBuf,
    child: Child,
    over: Receiver<()>,
    /// The exit code of one who played to the end.
    good: i32,
    ends: Instant,
}

/// sipp's exit code when a scenario stopped it.
const STOPPED: i32 = 97;

impl Sipp {
    /// One who begins: sends the first request, and ends with the call.
    pub fn begins(folder: &Path, role: &Role, server: SocketAddr) -> Self {
        Self::start(folder, role, server, None)
    }

    /// One who waits for the first request, and ends with what follows of it.
    pub fn waits(folder: &Path, role: &Role, server: SocketAddr) -> Self {
        Self::start(folder, role, server, None)
    }

    /// A phone: registers, and plays the scenario in the first call it gets.
    pub fn phone(folder: &Path, role: &Role, server: SocketAddr) -> Self {
        Self::start(folder, role, server, Some("register"))
    }

    fn start(folder: &Path, role: &Role, server: SocketAddr, first: Option<&'static str>) -> Self {
        let title = format!("{} at {}", role.scenario, role.address);
        let folder = folder.join(title.replace([' ', ':'], "-"));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str| {
            let source = format!("{}/tests/wire/sipp/{name}.xml", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(&source).unwrap_or_else(|it| panic!("{source}: {it}"));
            let path = folder.join(format!("{name}.xml"));
            fs::write(&path, expand(&text, &role.words)).unwrap();
            path
        };
        let mut command = Command::new("sipp");
        match first {
            Some(first) => {
                let (first, then) = (write(first), write(role.scenario));
                command.arg("-sf").arg(first).arg("-oocsf").arg(then);
            }
            None => {
                command.arg("-sf").arg(write(role.scenario));
            }
        }
        if let Some((_, dialled)) = role.words.iter().find(|(word, _)| *word == "number") {
            command.args(["-auth_uri", &format!("{dialled}@{server}")]);
        }
        let mut child = command
            .current_dir(&folder)
            .args(["-t", if role.tcp { "t1" } else { "u1" }])
            .args(["-i", &role.address.ip().to_string()])
            .args(["-p", &role.address.port().to_string()])
            .args(["-m", "1", "-nostdin", "-nd", "-default_behaviors", "none"])
            .args([
                "-recv_timeout",
                "20000",
                "-timeout",
                "80s",
                "-timeout_error",
            ])
            .args([
                "-trace_msg",
                "-message_file",
                "messages",
                "-trace_err",
                "-error_file",
                "errors",
            ])
            .arg(server.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is missing: run ./test, or install Debian's package sip-tester");
        let mut screen = child.stdout.take().unwrap();
        let (sender, over) = channel();
        std::thread::spawn(move || {
            let _drawn = std::io::copy(&mut screen, &mut std::io::sink());
            sender.send(())
        });
        Self {
            title,
            folder,
            child,
            over,
            good: if first.is_some() { STOPPED } else { 0 },
            ends: deadline(Duration::from_secs(90)),
        }
    }

    /// Waits for the end; says what went wrong.
    pub fn end(&mut self) -> Result<(), String> {
        let status = self.status();
        if status.code() == Some(self.good) {
            return Ok(());
        }
        let read = |name| {
            let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Err(format!(
            "{} ended with {status}\n{}\n{}",
            self.title,
            read("errors"),
            self.messages()
        ))
    }

    /// Every message it sent and received so far.
    pub fn messages(&self) -> String {
        let bytes = fs::read(self.folder.join("messages")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// It writes to its screen as long as it lives.
    fn status(&mut self) -> ExitStatus {
        let left = self.ends.saturating_duration_since(now());
        if self.over.recv_timeout(left).is_err() {
            let _gone = self.child.kill();
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A free port of an address, for UDP and for TCP.
pub fn free(ip: IpAddr) -> SocketAddr {
    loop {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A scenario with its short steps written out.
fn expand(text: &str, words: &[(&'static str, String)]) -> String {
    let mut out = text.to_owned();
    // The innermost first.
    while let Some(end) = out.find("}}") {
        let start = out[..end].rfind("{{").expect("a step that never began");
        let step = &out[start + 2..end];
        let (name, more) = step.split_once(' ').unwrap_or((step, ""));
        let written = match words.iter().find(|(word, _)| *word == name) {
            Some((_, value)) => value.clone(),
            None => write_out(name, more),
        };
        out.replace_range(start..end + 2, &written);
    }
    let names: Vec<_> = ["from", "to", "via", "seen"]
        .into_iter()
        .filter(|name| out.contains(&format!("assign_to=\"{name}\"")))
        .collect();
    if !names.is_empty() && out.contains("</scenario>") && !out.contains("<Reference") {
        let reference = format!("<Reference variables=\"{}\"/></scenario>", names.join(","));
        out = out.replace("</scenario>", &reference);
    }
    out
}

/// What a part of a message stands for.
fn write_out(name: &str, more: &str) -> String {
    match name {
        // The head of a request of the one who called, and of the one who was called.
        "caller" => format!(
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
[routes]
From: {{{{me}}}};tag=[pid]c[call_number]
To: <sip:{{{{number}}}}@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {more}
Max-Forwards: 70
{{{{contact}}}}"
        ),
        "callee" => format!(
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
[routes]
From:[$to];tag=[pid]u[call_number]
To:[$from]
Call-ID: [call_id]
CSeq: {more}
Max-Forwards: 70
{{{{contact}}}}"
        ),
        "contact" => {
            "Contact: <sip:{{user}}@[local_ip]:[local_port];transport=[transport]>".to_owned()
        }
        // The head of a response inside a dialog, and of one that makes it.
        "reply" | "first" => {
            let tag = if name == "first" {
                ";tag=[pid]u[call_number]"
            } else {
                ""
            };
            format!(
                "SIP/2.0 {more}
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
{{{{contact}}}}"
            )
        }
        // Responses to the INVITE when something else came last.
        "terminated" | "invited" | "forked" => {
            let status = if name == "terminated" {
                "487 Request Terminated"
            } else {
                more
            };
            let tag = if name == "forked" {
                "other"
            } else {
                "[pid]u[call_number]"
            };
            format!(
                "SIP/2.0 {status}
Via:[$via]
From:[$from]
To:[$to];tag={tag}
[last_Call-ID:]
CSeq: 1 INVITE
{{{{contact}}}}"
            )
        }
        "empty" => "Content-Length: 0\n\n".to_owned(),
        "sdp" => sdp(more),
        "request" => format!("<send retrans=\"500\"><![CDATA[\n{more} SIP/2.0"),
        "message" => format!("<send><![CDATA[\n{more} SIP/2.0"),
        "response" => format!("<send><![CDATA[\n{{{{{more}}}}}"),
        "." => "]]></send>".to_owned(),
        other => whole_step(other, more),
    }
}

/// SDP with its header: the version of the session and the direction, or the old address of a hold.
fn sdp(more: &str) -> String {
    let (version, direction) = more.split_once(' ').unwrap_or((more, "sendrecv"));
    let (connection, direction) = match direction {
        "0.0.0.0" => (direction, String::new()),
        _ => ("[local_ip]", format!("a={direction}\n")),
    };
    format!(
        "Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 4711 {version} IN IP4 [local_ip]
s=-
c=IN IP4 {connection}
t=0 0
m=audio 6000 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
{direction}"
    )
}

/// What stands for more than one message, or for none.
fn whole_step(name: &str, more: &str) -> String {
    let number = || more.split(' ').next().unwrap_or_default();
    match name {
        // The first INVITE, and the one that follows a challenge.
        "invite" => {
            let (number, digest) = match more {
                "again" => (
                    2,
                    "[authentication username={{user}} password=secret-{{user}}]\n",
                ),
                _ => (1, ""),
            };
            format!(
                "{{{{request INVITE sip:{{{{number}}}}@[remote_ip]:[remote_port]}}}}
Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
From: {{{{me}}}};tag=[pid]c[call_number]
To: <sip:{{{{number}}}}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: {number} INVITE
Max-Forwards: 70
{{{{contact}}}}
{digest}{{{{sdp 1}}}}
{{{{.}}}}
<recv response=\"100\" optional=\"true\"/>"
            )
        }
        "ack" => format!(
            "{{{{message ACK [next_url]}}}}\n{{{{caller {} ACK}}}}\n{{{{empty}}}}{{{{.}}}}",
            number()
        ),
        "refused" => format!(
            "{{{{message ACK sip:{{{{number}}}}@[remote_ip]:[remote_port]}}}}
[last_Via:]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: {} ACK
Max-Forwards: 70
{{{{empty}}}}{{{{.}}}}",
            number()
        ),
        "bye" => format!(
            "{{{{request BYE [next_url]}}}}\n{{{{caller {} BYE}}}}\n{{{{empty}}}}{{{{.}}}}<recv response=\"200\"/>",
            number()
        ),
        "callee-bye" => format!(
            "{{{{request BYE [next_url]}}}}\n{{{{callee {} BYE}}}}\n{{{{empty}}}}{{{{.}}}}<recv response=\"200\"/>",
            number()
        ),
        "called" => "<recv request=\"INVITE\" rrs=\"true\"><action>
<ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" assign_to=\"from\"/>
<ereg regexp=\".*\" search_in=\"hdr\" header=\"To:\" assign_to=\"to\"/>
<ereg regexp=\".*\" search_in=\"hdr\" header=\"Via:\" assign_to=\"via\"/>
</action></recv>"
            .to_owned(),
        // NOTIFYs of a transfer, up to the one with this status.
        "told" => format!(
            "<label id=\"1\"/>
<recv request=\"NOTIFY\" next=\"2\" test=\"over\"><action>
<ereg regexp=\"SIP/2.0 [2-6][0-9][0-9]\" search_in=\"body\" assign_to=\"over\"/>
<ereg regexp=\"SIP/2.0 (1[0-9][0-9]|{more})\" search_in=\"body\" check_it=\"true\" assign_to=\"seen\"/>
</action></recv>
<send next=\"1\"><![CDATA[
{{{{reply 200 OK}}}}
{{{{empty}}}}{{{{.}}}}
<label id=\"2\"/>
{{{{response reply 200 OK}}}}
{{{{empty}}}}{{{{.}}}}"
        ),
        "ring" => "{{response first 180 Ringing}}\n{{empty}}{{.}}".to_owned(),
        "answer" => "{{response first 200 OK}}\n{{sdp 1}}{{.}}<recv request=\"ACK\"/>".to_owned(),
        "taken" => {
            "<recv request=\"BYE\" timeout=\"60000\"/>{{response reply 200 OK}}\n{{empty}}{{.}}"
                .to_owned()
        }
        // A phone's scenario ends its sipp.
        "done" => "<nop><action><exec int_cmd=\"stop_now\"/></action></nop>".to_owned(),
        "pause" => format!("<pause milliseconds=\"{more}\"/>"),
        // `{{check Header regexp}}` stands inside an action.
        "check" => {
            let (header, regexp) = more.split_once(' ').unwrap_or((more, "."));
            format!(
                "<ereg regexp=\"{regexp}\" search_in=\"hdr\" header=\"{header}:\" check_it=\"true\" assign_to=\"seen\"/>"
            )
        }
        "says" => format!(
            "<ereg regexp=\"{more}\" search_in=\"msg\" check_it=\"true\" assign_to=\"seen\"/>"
        ),
        other => panic!("no step is called {other}"),
    }
}
