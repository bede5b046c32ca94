//! A program as a voice: the text on its standard input, a WAV on its standard output.
//!
//! What it may cost is bounded: its time, its output, and the processes it starts die with it.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::limits;
use crate::time::Duration;
use crate::words::Language;

/// Why a program said nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mute {
    /// Nothing was written where the program should stand.
    #[error("the command of `tts` is empty")]
    NoProgram,
    /// It could not be started.
    #[error("{program} cannot be started: {why}")]
    Start {
        /// Which program.
        program: String,
        /// What the system said.
        why: io::Error,
    },
    /// It did not end in time.
    #[error("{program} took longer than {} s and was killed", limits::TTS_COMMAND.as_secs())]
    Slow {
        /// Which program.
        program: String,
    },
    /// It wrote more than any phrase needs.
    #[error(
        "{program} wrote more than {} bytes and was killed",
        limits::TTS_OUTPUT_BYTES
    )]
    Loud {
        /// Which program.
        program: String,
    },
    /// It ended with an error of its own.
    #[error("{program} ended with {status}; run it by hand with a phrase on its input to see why")]
    Failed {
        /// Which program.
        program: String,
        /// How it ended.
        status: String,
    },
    /// The pipes to it broke.
    #[error("{program} could not be spoken with: {why}")]
    Pipe {
        /// Which program.
        program: String,
        /// What the system said.
        why: io::Error,
    },
}

/// Says `text`: the WAV as the program wrote it.
pub(crate) fn say(arguments: &[String], language: Language, text: &str) -> Result<Vec<u8>, Mute> {
    say_within(limits::TTS_COMMAND, arguments, language, text)
}

/// The same, with `wait` for how long it may take.
fn say_within(
    wait: Duration,
    arguments: &[String],
    language: Language,
    text: &str,
) -> Result<Vec<u8>, Mute> {
    let [program, rest @ ..] = arguments else {
        return Err(Mute::NoProgram);
    };
    let child = Command::new(program)
        .args(
            rest.iter()
                .map(|part| part.replace("{language}", language.as_str())),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|why| Mute::Start {
            program: program.clone(),
            why,
        })?;
    let mut running = Running {
        child,
        reaped: false,
    };
    running.converse(wait, program, text)
}

/// A program that is killed with all it started when this is dropped.
struct Running {
    child: Child,
    reaped: bool,
}

impl Running {
    /// Gives it the text and takes its output until it ends.
    fn converse(&mut self, wait: Duration, program: &str, text: &str) -> Result<Vec<u8>, Mute> {
        let program = || program.to_owned();
        let pipe = |why: io::Error| Mute::Pipe {
            program: program(),
            why,
        };
        let deadline = alarm(wait).map_err(|error| pipe(error.into()))?;
        if let Some(mut input) = self.child.stdin.take() {
            // A phrase is far shorter than a pipe holds, so this never waits; a program that does
            // not read it may still say something.
            let _ = input.write_all(text.as_bytes());
        }
        let mut output = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            let mut block = [0; 16_384];
            loop {
                if !ready(&stdout, &deadline).map_err(|error| pipe(error.into()))? {
                    return Err(Mute::Slow { program: program() });
                }
                let count = stdout.read(&mut block).map_err(pipe)?;
                if count == 0 {
                    break;
                }
                output.extend_from_slice(block.get(..count).unwrap_or(&[]));
                if output.len() > limits::TTS_OUTPUT_BYTES {
                    return Err(Mute::Loud { program: program() });
                }
            }
        }
        if let Some(pid) = self.pid() {
            let process =
                pidfd_open(pid, PidfdFlags::empty()).map_err(|error| pipe(error.into()))?;
            if !ready(&process, &deadline).map_err(|error| pipe(error.into()))? {
                return Err(Mute::Slow { program: program() });
            }
        }
        let status = self.end().map_err(pipe)?;
        if status.success() {
            Ok(output)
        } else {
            Err(Mute::Failed {
                program: program(),
                status: status.to_string(),
            })
        }
    }

    /// Its process, which leads a group of its own.
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Kills what is left of the group while the leader still holds its number, then takes the
    /// leader's status.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.reaped
            && let Some(pid) = self.pid()
        {
            // A group that is gone already is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is left to hear that the dead cannot be buried.
        let _ = self.end();
    }
}

/// A timer that becomes readable after `wait`.
fn alarm(wait: Duration) -> rustix::io::Result<OwnedFd> {
    let alarm = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let once = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    let when = Itimerspec {
        it_interval: zero,
        it_value: once,
    };
    timerfd_settime(&alarm, TimerfdTimerFlags::empty(), &when)?;
    Ok(alarm)
}

/// Waits until `fd` has something to say; false when the alarm comes first.
fn ready(fd: &impl AsFd, alarm: &OwnedFd) -> rustix::io::Result<bool> {
    loop {
        let mut fds = [
            PollFd::new(fd, PollFlags::IN),
            PollFd::new(alarm, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) => {
                let [_, alarm] = fds;
                return Ok(alarm.revents().is_empty());
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell script says.
    fn shell(script: &str) -> Result<Vec<u8>, Mute> {
        say(
            &["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            Language::Uk,
            "Дзвінок з Одеси",
        )
    }

    #[test]
    fn the_text_goes_in_and_the_output_comes_out() {
        assert_eq!(shell("cat").unwrap(), "Дзвінок з Одеси".as_bytes());
        let arguments = ["echo", "-n", "-v", "{language}"].map(str::to_owned);
        assert_eq!(say(&arguments, Language::Ru, "x").unwrap(), b"-v ru");
        assert_eq!(shell("head -c 2000000 /dev/zero").unwrap().len(), 2_000_000);
    }

    #[test]
    fn a_program_that_hangs_dies_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; exec sleep 600", pid.display());
        let hanging = |script: &str| {
            let arguments = ["sh", "-c", script].map(str::to_owned);
            say_within(Duration::from_millis(300), &arguments, Language::Uk, "x")
        };
        assert!(matches!(hanging(&script), Err(Mute::Slow { .. })));
        let pid: i32 = std::fs::read_to_string(pid)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // Killed is not yet dead: a process on another core ends when it next looks. One that is
        // gone already has no descriptor to wait on.
        if let Ok(child) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
            let patience = alarm(Duration::from_secs(30)).unwrap();
            assert!(ready(&child, &patience).unwrap(), "{pid} still lives");
        }
        assert!(matches!(
            hanging("exec >&-; sleep 600"),
            Err(Mute::Slow { .. })
        ));
    }

    #[test]
    fn a_program_that_never_stops_talking_is_stopped() {
        assert!(matches!(
            shell("exec cat /dev/zero"),
            Err(Mute::Loud { .. })
        ));
    }

    #[test]
    fn failures_are_one_sentence() {
        let error = shell("exit 3").unwrap_err().to_string();
        assert!(error.starts_with("sh ended with exit status: 3"), "{error}");
        let error = say(&["/no/such/voice".to_owned()], Language::En, "x")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("/no/such/voice cannot be started: "),
            "{error}"
        );
        assert!(matches!(say(&[], Language::En, "x"), Err(Mute::NoProgram)));
    }
}
