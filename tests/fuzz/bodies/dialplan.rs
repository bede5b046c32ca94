//! Any bytes as the files of a dialplan (a line `%%%%` begins the next file): problems that point
//! into them, or a plan whose every way, phrase and decision keeps its bounds.

use strowger::dialplan::compile::{Compiled, Options, Source, compile};
use strowger::dialplan::decide::Facts;
use strowger::dialplan::diagnose::{Problem, Severity};
use strowger::dialplan::plan::{Dialplan, Target};
use strowger::dialplan::secrets::Secrets;
use strowger::id::{QueueName, TrunkName};
use strowger::limits;
use strowger::time::Wall;
use strowger::words::Phrase;

/// Every other reference leads somewhere.
struct Half;

impl Secrets for Half {
    fn env(&self, name: &str) -> Option<String> {
        name.len().is_multiple_of(2).then(|| name.to_owned())
    }

    fn file(&self, path: &str) -> Option<String> {
        self.env(path)
    }
}

/// Checks one input.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let sources = text
        .split("\n%%%%\n")
        .map(|text| Source { name: "f", text })
        .collect::<Vec<_>>();
    let options = Options {
        unset: Severity::Warning,
        whole: true,
    };
    let Compiled { plan, problems } = compile(&sources, &Half, options);
    let refused = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    assert_eq!(plan.is_none(), refused);
    assert!(problems.len() <= limits::PROBLEMS + 1);
    for problem in &problems {
        points_into(problem, &sources);
    }
    if let Some(plan) = plan {
        keeps_its_bounds(&plan);
    }
}

fn points_into(problem: &Problem, sources: &[Source<'_>]) {
    let lines = sources
        .iter()
        .map(|source| source.text.split(['\n', '\r']).count())
        .max()
        .unwrap();
    assert!(problem.line >= 1 && problem.column >= 1, "{problem}");
    assert!(problem.line as usize <= lines + 1, "{problem}");
    let shown = problem.to_string();
    let strange = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!shown.contains(strange), "{shown:?}");
    assert!(shown.lines().count() <= 5, "{shown}");
}

fn keeps_its_bounds(plan: &Dialplan) {
    for number in plan.numbers.iter() {
        assert!(!number.to.is_empty());
        let way = plan.way(&number.to);
        assert!(way.len() <= limits::OVERFLOW_DEPTH);
        let known = |name: &QueueName| plan.queues.contains_key(name);
        assert!(
            way.iter().all(known)
                && number
                    .to
                    .iter()
                    .filter_map(Target::queue)
                    .all(|name| way.contains(name))
        );
        let trunk = plan.trunks.keys().next().cloned();
        let facts = Facts {
            trunk: trunk.unwrap_or_else(|| TrunkName::from("")),
            to: number.written.replace(['x', '*'], "7"),
            from: Some(number.written.clone()),
        };
        let decision = plan.decide(&facts, Wall::default());
        let leads = !decision.targets.is_empty() || decision.reject.is_some();
        assert_eq!(leads, decision.rule.is_some());
    }
    for phrase in plan.phrases() {
        match phrase {
            Phrase::Spoken { text, .. } => {
                assert!(!text.is_empty() && text.chars().count() <= limits::PHRASE_CHARS);
            }
            Phrase::File(path) => assert!(path.ends_with(".wav") && !path.contains("..")),
            Phrase::Tone(_) => {}
        }
    }
    for queue in plan.queues.values() {
        assert!(!queue.operators.is_empty() && !queue.ring.is_zero());
        let known = |name| plan.operators.contains_key(name);
        assert!(queue.operators.keys().all(known));
    }
}
