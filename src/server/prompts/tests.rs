//! The store as a whole, with real and with broken engines.

use std::fs;

use super::*;

/// The prompts that come along.
fn shipped() -> Engine {
    Engine::Recorded(Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts"))
}

/// A shell script as an engine.
fn shell(script: &str) -> Engine {
    Engine::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

/// The espeak-ng of the system, as the example settings have it.
fn espeak() -> Engine {
    Engine::Command(
        ["espeak-ng", "--stdin", "--stdout", "-v", "{language}"]
            .map(str::to_owned)
            .to_vec(),
    )
}

fn spoken(language: Language, text: &str) -> Phrase {
    Phrase::Spoken {
        language,
        text: text.to_owned(),
    }
}

fn file(path: &str) -> Phrase {
    Phrase::File(path.to_owned())
}

/// Renders with this chain in a fresh data folder.
fn render(chain: Vec<Engine>, phrases: &[Phrase]) -> (PromptStore, Rendered) {
    let data = tempfile::tempdir().unwrap();
    let store = PromptStore::open(data.path(), chain).unwrap();
    let rendered = store.render_all(phrases, &[], |_, _| {});
    (store, rendered)
}

#[test]
fn what_a_plan_says_is_ready_under_its_key() {
    let phrases = [
        spoken(Language::Uk, "Дзвінок з Одеси, імплантація"),
        file("music/calm.wav"),
    ];
    let (store, (prompts, problems)) = render(vec![shipped()], &phrases);
    assert_eq!(problems, [""; 0]);
    for phrase in &phrases {
        let prompt = prompts[phrase];
        let samples = store.samples(prompt.key).unwrap();
        assert_eq!(
            prompt.duration,
            Duration::from_micros(125) * u32::try_from(samples.len()).unwrap()
        );
    }
    assert_eq!(prompts[&phrases[1]].duration, Duration::from_secs(48));
    assert_eq!(store.samples(1), None);
}

#[test]
fn each_engine_says_what_the_one_before_it_cannot() {
    let recorded = spoken(Language::Ru, "Звонок из Краснодара");
    let robot = spoken(Language::Ru, "Звонок из Нью-Васюков, шахматы");
    let (store, (prompts, problems)) = render(
        vec![shipped(), espeak()],
        &[recorded.clone(), robot.clone()],
    );
    assert_eq!(problems, [""; 0]);
    let kept = fs::read_dir(store.cache.folder());
    assert!(
        kept.is_err() || kept.unwrap().count() <= 1,
        "a recorded phrase was synthesised"
    );
    let samples = store.samples(prompts[&robot].key).unwrap();
    let said: Vec<f32> = samples[800..samples.len() - 800]
        .iter()
        .map(|s| f32::from(*s) / 32_768.0)
        .collect();
    let level = 20.0 * sound::rms(said.into_iter()).log10();
    assert!((-24.0..=-19.5).contains(&level), "{level} dBFS");
    assert!(samples[..800].iter().all(|sample| *sample == 0));
}

#[test]
fn what_hangs_or_talks_rubbish_is_passed_over() {
    let phrase = spoken(Language::Uk, "Дзвінок із Марса");
    let chain = vec![
        shell("echo це не звук"),
        shell("exit 1"),
        shell("head -c 11000000 /dev/zero"),
        Engine::Command(vec!["/no/such/voice".to_owned()]),
        shell("sox -n -t wav -r 8000 -c 1 - trim 0 1"),
        espeak(),
    ];
    let (store, (prompts, problems)) = render(chain, std::slice::from_ref(&phrase));
    assert_eq!(problems, [""; 0]);
    assert!(store.samples(prompts[&phrase].key).is_some());
}

#[test]
fn what_nobody_says_is_one_sentence_and_the_rest_is_ready() {
    let phrases = [
        spoken(Language::Uk, "Дзвінок із Марса"),
        spoken(Language::Uk, "Дзвінок із Києва"),
        file("music/none.wav"),
        file("../Cargo.toml"),
    ];
    let (_, (prompts, problems)) = render(vec![shipped()], &phrases);
    assert_eq!(prompts.keys().collect::<Vec<_>>(), [&phrases[1]]);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].contains("../Cargo.toml") && problems[1].contains("music/none.wav"));
    assert!(
        problems[2].contains("\"Дзвінок із Марса\" (uk): it was not recorded"),
        "{problems:#?}"
    );
    let (_, (_, problems)) = render(vec![shell("echo це не звук")], &phrases[..1]);
    assert!(
        problems[0].contains("what sh wrote is unusable: it is no PCM WAV"),
        "{problems:#?}"
    );
    let (_, (_, problems)) = render(vec![shell("exit 1")], &phrases[..1]);
    assert!(
        problems[0].contains("ended with exit status: 1"),
        "{problems:#?}"
    );
}

#[test]
fn a_command_that_always_fails_is_left_out_soon() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let phrases: Vec<Phrase> = (0..50)
        .map(|n| spoken(Language::En, &format!("phrase {n}")))
        .collect();
    let (_, (prompts, problems)) = render(
        vec![shell(&format!("echo x >> {}; exit 1", count.display()))],
        &phrases,
    );
    assert_eq!((prompts.len(), problems.len()), (0, 50));
    let tries = fs::read_to_string(count).unwrap().lines().count();
    assert!(
        (limits::TTS_FAILURES..=limits::TTS_FAILURES + 1).contains(&tries),
        "{tries}"
    );
}

#[test]
fn a_phrase_is_synthesised_once_until_its_file_is_damaged() {
    let (data, counter) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let count = counter.path().join("count");
    let script = format!(
        "echo x >> {}; exec espeak-ng --stdin --stdout -v uk",
        count.display()
    );
    let phrases = [spoken(Language::Uk, "Дзвінок із Марса")];
    let times = || fs::read_to_string(&count).unwrap().lines().count();
    let mut keys = Vec::new();
    for expected in [1, 1, 2] {
        if expected == 2 {
            let kept = fs::read_dir(data.path().join("prompts"))
                .unwrap()
                .next()
                .unwrap()
                .unwrap()
                .path();
            let mut bytes = fs::read(&kept).unwrap();
            bytes[3_000] ^= 1;
            fs::write(&kept, bytes).unwrap();
        }
        let store = PromptStore::open(data.path(), vec![shell(&script)]).unwrap();
        let (prompts, problems) = store.render_all(&phrases, &[], |_, _| {});
        assert_eq!((problems.len(), times()), (0, expected));
        keys.push(prompts[&phrases[0]].key);
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "the same phrase has the same key");
}

#[test]
fn calls_of_the_plan_before_still_find_their_prompts() {
    let data = tempfile::tempdir().unwrap();
    let store = PromptStore::open(data.path(), vec![shipped()]).unwrap();
    let keys: Vec<u128> = ["Дзвінок із Києва", "Дзвінок з Одеси", "Дзвінок зі Львова"]
        .iter()
        .map(|text| {
            let phrase = spoken(Language::Uk, text);
            store
                .render_all(std::slice::from_ref(&phrase), &[], |_, _| {})
                .0[&phrase]
                .key
        })
        .collect();
    let ready: Vec<bool> = keys
        .iter()
        .map(|key| store.samples(*key).is_some())
        .collect();
    assert_eq!(ready, [false, true, true]);
}

#[test]
fn a_plan_that_is_refused_takes_nothing_off_the_shelf() {
    let data = tempfile::tempdir().unwrap();
    let store = PromptStore::open(data.path(), vec![shipped()]).unwrap();
    let live = spoken(Language::Uk, "Дзвінок із Києва");
    let (prompts, _) = store.render_all(std::slice::from_ref(&live), &[], |_, _| {});
    for _ in 0..3 {
        let refused = [
            file("music/calm.wav"),
            spoken(Language::Uk, "Дзвінок із Марса"),
        ];
        let (_, problems) = store.render_all(&refused, &[], |_, _| {});
        assert_eq!(problems.len(), 1);
    }
    assert!(store.samples(prompts[&live].key).is_some());
}

#[test]
fn callers_have_music_although_no_folder_has_any() {
    let music = file(DEFAULT_MUSIC);
    let (store, (prompts, problems)) = render(Vec::new(), std::slice::from_ref(&music));
    assert_eq!(problems, [""; 0]);
    let samples = store.samples(prompts[&music].key).unwrap();
    assert_eq!(samples.len(), 8 * 8000);
    assert!(samples.iter().any(|&sample| sample > 1000));

    let (_, (_, problems)) = render(Vec::new(), &[file("music/ours.wav")]);
    assert_eq!(problems.len(), 1, "a piece asked for by name is missed");
    assert!(problems[0].contains("music/ours.wav"));
}

#[test]
fn progress_counts_to_the_end() {
    let data = tempfile::tempdir().unwrap();
    let store = PromptStore::open(data.path(), vec![shipped()]).unwrap();
    let phrases: Vec<Phrase> = (0..20).map(|n| file(&format!("{n}.wav"))).collect();
    let seen = Mutex::new(Vec::new());
    store.render_all(&phrases, &[], |done, all| {
        seen.lock().unwrap().push((done, all))
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=20).map(|done| (done, 20)).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_opened_is_one_sentence() {
    let data = tempfile::tempdir().unwrap();
    let missing = Engine::Recorded("/no/such/folder".into());
    let error = format!(
        "{:#}",
        PromptStore::open(data.path(), vec![missing]).unwrap_err()
    );
    assert!(
        error.contains("`recorded` under `tts`") && error.contains("/no/such/folder"),
        "{error}"
    );
    let taken = data.path().join("file");
    fs::write(&taken, b"").unwrap();
    let error = format!("{:#}", PromptStore::open(&taken, vec![]).unwrap_err());
    assert!(error.contains("make the data folder writable"), "{error}");
}

#[cfg(feature = "embedded-tts")]
#[test]
fn the_embedded_voice_says_what_is_left() {
    let phrases: Vec<Phrase> = [Language::Uk, Language::Ru, Language::En]
        .map(|language| spoken(language, "Дзвінок із Марса, 25 відсотків"))
        .to_vec();
    let (store, (prompts, problems)) = render(vec![shipped(), Engine::Embedded], &phrases);
    assert_eq!(problems, [""; 0]);
    for prompt in prompts.values() {
        assert!(store.samples(prompt.key).unwrap().len() > 8_000);
    }
}

#[cfg(not(feature = "embedded-tts"))]
#[test]
fn without_the_embedded_voice_it_is_refused_by_name() {
    let data = tempfile::tempdir().unwrap();
    let error = PromptStore::open(data.path(), vec![Engine::Embedded])
        .unwrap_err()
        .to_string();
    assert!(error.contains("take `embedded` out of `tts`"), "{error}");
}

#[test]
fn a_call_gets_what_its_plan_does_not_have_and_nothing_is_kept_on_the_disk() {
    let of_plan = spoken(Language::Uk, "Дзвінок з Одеси");
    let of_call = spoken(Language::Uk, "Дзвінок з Одеси, чекає 3 хвилини");
    let chain = vec![shell("sox -n -t wav -r 8000 -c 1 - synth 0.5 sine 440")];
    let (store, (prompts, _)) = render(chain, std::slice::from_ref(&of_plan));
    let _data = fs::create_dir_all(store.cache.folder());
    let files = || fs::read_dir(store.cache.folder()).unwrap().count();
    let before = files();
    let ready = store.render_now(std::slice::from_ref(&of_call));
    assert_eq!(ready.len(), 1);
    assert!(store.samples(ready[&of_call].key).is_some());
    assert!(store.samples(prompts[&of_plan].key).is_some());
    assert_eq!(files(), before);
    let (mute, _) = render(vec![shell("exit 1")], &[]);
    assert!(mute.render_now(std::slice::from_ref(&of_call)).is_empty());
}

#[test]
fn a_wish_that_nothing_says_refuses_no_plan() {
    let data = tempfile::tempdir().unwrap();
    let store = PromptStore::open(data.path(), vec![shipped()]).unwrap();
    let needed = spoken(Language::Uk, "Дзвінок з Одеси");
    let wish = spoken(Language::Uk, "слова, яких ніхто не записав");
    let wishes = [wish.clone()];
    let (prompts, problems) = store.render_all(std::slice::from_ref(&needed), &wishes, |_, _| {});
    assert_eq!(problems, [""; 0]);
    assert!(store.samples(prompts[&needed].key).is_some());
    assert!(!prompts.contains_key(&wish));
    let (_, problems) = store.render_all(&wishes, &[], |_, _| {});
    assert_eq!(problems.len(), 1);
}
