//! Each plan in `bad/` has a snapshot of what is said about it.

use strowger::dialplan::diagnose::Severity;
use strowger::limits;

use crate::{compiled, plans, said};

#[test]
fn every_problem_is_said_at_once_with_its_place() {
    for (path, text) in plans("tests/dialplans/bad") {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = format!("{stem}.yaml");
        let compiled = compiled(&[(&name, &text)], Severity::Warning);
        assert!(compiled.plan.is_none(), "{name} loads");
        insta::assert_snapshot!(stem, said(&[(&name, &text)]));
    }
}

#[test]
fn what_stands_twice_names_both_files() {
    let one = "country: UA\nqueues:\n  all: { operators: [olena] }\n";
    let two = "operators: { olena: { password: x } }\ncountry: RU\nqueues:\n  all: { operators: [olena] }\n  vip: { operators: [olena] }\n";
    insta::assert_snapshot!(said(&[("one.yaml", one), ("two.yaml", two)]), @r"
    two.yaml:2:1: error: `country` stands twice, first at one.yaml:1:1
        country: RU
        ^^^^^^^
    two.yaml:4:3: error: `queues` has `all` twice, first at one.yaml:3:3
          all: { operators: [olena] }
          ^^^
    ");
}

#[test]
fn names_in_a_file_that_cannot_be_read_are_not_called_unknown() {
    let numbers = "country: UA\nnumbers: { \"0800 301 230\": { to: queue.all } }\n";
    let queues = "queues:\n  all: { operators: [olena], music: \"calm }\n";
    insta::assert_snapshot!(said(&[("numbers.yaml", numbers), ("queues.yaml", queues)]), @r#"
    queues.yaml:2:37: error: this quote is not closed
          all: { operators: [olena], music: "calm }
                                            ^
    "#);
}

#[test]
fn one_queue_alone_cannot_be_left_out_of_the_recordings() {
    let plan = "recording: { keep: 90d }\noperators: { olena: { password: x } }\nqueues:\n  all: { operators: [olena], recording: false }\n";
    let told = said(&[("a.yaml", plan)]);
    assert!(told.contains("takes only `{ keep: TIME }`"), "{told}");
    let plan = plan.replace("false", "{ keep: 30d }");
    assert!(!said(&[("a.yaml", &plan)]).contains("recording"));
}

#[test]
fn a_chain_of_overflow_is_bounded() {
    let chain = |length: usize| {
        let queues = (0..length).map(|index| {
            let overflow = if index + 1 < length {
                format!(", max_wait: 60s, overflow: queue.q{}", index + 1)
            } else {
                String::new()
            };
            format!("  q{index}: {{ operators: [olena]{overflow} }}\n")
        });
        let operators = "operators: { olena: { password: x } }\nqueues:\n".to_owned();
        operators + &queues.collect::<String>()
    };
    assert_eq!(said(&[("a.yaml", &chain(limits::OVERFLOW_DEPTH))]), "");
    let told = said(&[("a.yaml", &chain(limits::OVERFLOW_DEPTH + 1))]);
    assert!(told.contains("more than 16 queues"), "{told}");
}

#[test]
fn a_secret_is_never_shown() {
    let plan = "operators: { olena: { password: \"${file:keys/olena}\", number: \"${env:SET}\" } }\nqueues: { all: { operators: [olena], ring: \"${env:SET}\", music: \"${env:SET}\" } }\n";
    let told = said(&[("a.yaml", plan)]);
    assert!(told.contains("what the reference holds"), "{told}");
    assert!(
        !told.contains("лимон") && !told.contains("апельсин"),
        "{told}"
    );
}

#[test]
fn what_is_unset_is_a_warning_for_tools_and_an_error_for_a_server() {
    let plan = "operators: { olena: { password: \"${env:UNSET}\" } }\nqueues: { all: { operators: [olena] } }\n";
    let files = [("a.yaml", plan)];
    let lenient = compiled(&files, Severity::Warning);
    assert_eq!(lenient.problems.len(), 1);
    let olena = lenient
        .plan
        .unwrap()
        .operators
        .into_values()
        .next()
        .unwrap();
    assert_eq!(olena.password, None);
    assert!(compiled(&files, Severity::Error).plan.is_none());
}

#[test]
fn a_million_slips_end_in_a_bounded_list() {
    let text = (0..40_000)
        .map(|index| format!("queue{index}: {{}}\n"))
        .collect::<String>();
    let problems = compiled(&[("a.yaml", &text)], Severity::Warning).problems;
    assert_eq!(problems.len(), limits::PROBLEMS + 1);
}
