//! The plans that come with the program load without a word, and what their tests say of the
//! decision is true. What only a running call can show is the simulator's.

use strowger::dialplan::decide::Facts;
use strowger::dialplan::diagnose::Severity;
use strowger::dialplan::whisper::utterance::Spoken;
use strowger::id::TrunkName;

use crate::{compiled, plans};

#[test]
fn shipped_plans_load_and_decide_as_their_tests_say() {
    for folder in ["dialplans", "dialplans/demo"] {
        let files = plans(folder);
        let names = files
            .iter()
            .map(|(path, text)| (path.to_str().unwrap(), text.as_str()));
        let compiled = compiled(&names.collect::<Vec<_>>(), Severity::Error);
        assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
        let plan = compiled.plan.unwrap();
        assert!(plan.tests.len() >= 3, "{folder} has too few tests");
        for test in &plan.tests {
            let carrier = test.call.trunk.clone();
            let facts = Facts {
                trunk: carrier.unwrap_or_else(|| TrunkName::from("")),
                to: test.call.to.clone(),
                from: test.call.from.clone(),
            };
            let decision = plan.decide(&facts, test.call.at.unwrap_or_default());
            let expect = &test.expect;
            if let Some(queue) = &expect.queue {
                assert!(plan.way(&decision.targets).contains(queue), "{}", test.name);
            }
            if let Some(whisper) = &expect.whisper {
                let forms = decision.whisper.about(&Spoken::default()).forms();
                let said = forms.first().map(|form| form.text());
                assert_eq!(said, Some(whisper.as_str()), "{}", test.name);
            }
            for (expected, got) in [
                (&expect.source, &decision.source),
                (&expect.campaign, &decision.campaign),
            ] {
                assert!(expected.is_none() || expected == got, "{}", test.name);
            }
            assert!(expect.to.is_none() || expect.to.as_ref() == Some(&decision.to));
            assert!(
                expect.site.is_none() || expect.site == decision.site,
                "{}",
                test.name
            );
        }
    }
}
