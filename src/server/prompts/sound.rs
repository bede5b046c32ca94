//! Arithmetic on speech: to the telephone's rate, to one level, cut at its silent ends, joined.
//! Reads and writes nothing.

/// Samples a second, everywhere behind the prompt store.
pub(crate) const RATE: u32 = 8_000;
/// Silence before and after what is said: telephones clip the first sound.
const LEAD: usize = RATE as usize / 10;
/// Silence left at each end where two parts are joined, so 60 ms between them.
const SEAM: usize = RATE as usize * 30 / 1_000;
/// A frame of 5 ms quieter than this (−46 dBFS) is silence.
const SILENCE: f32 = 0.005;
/// Samples in such a frame.
const FRAME: usize = RATE as usize * 5 / 1_000;
/// What speech is brought to: −20 dBFS RMS, as the recorded prompts have it.
const LEVEL: f32 = 0.1;
/// No peak goes over this (−1 dBFS), so that G.711 does not clip it.
const PEAK: f32 = 0.89;
/// Zero crossings of the low-pass on each side of a sample.
const CROSSINGS: f64 = 16.0;

/// Brings `samples` from `rate` to 8 kHz through a windowed sinc, one filter for each phase.
pub(crate) fn resample(samples: &[f32], rate: u32) -> Vec<f32> {
    if rate == RATE || rate == 0 {
        return samples.to_vec();
    }
    let common = gcd(rate, RATE);
    // After `phases` samples out, `stride` samples in have gone by and the filters repeat.
    let (phases, stride) = (u64::from(RATE / common), u64::from(rate / common));
    let cutoff = 0.92 * f64::from(RATE.min(rate)) / f64::from(rate);
    let reach = (CROSSINGS / cutoff).ceil();
    let filters: Vec<Vec<f32>> = (0..phases)
        .map(|phase| {
            filter(
                (phase * stride % phases) as f64 / phases as f64,
                cutoff,
                reach,
            )
        })
        .collect();
    let length = samples.len() as u64 * phases / stride;
    let first = reach as i64 - 1;
    (0..length)
        .zip(filters.iter().cycle())
        .map(|(out, filter)| {
            let start = (out * stride / phases) as i64 - first;
            let skipped = usize::try_from(-start).unwrap_or(0);
            let from = usize::try_from(start).unwrap_or(0);
            filter
                .iter()
                .skip(skipped)
                .zip(samples.iter().skip(from))
                .map(|(weight, sample)| weight * sample)
                .sum()
        })
        .collect()
}

/// The weights around a point that lies `offset` of a sample after its left neighbour, with unity
/// gain at zero frequency; a Hann window ends it at `reach` samples on each side.
fn filter(offset: f64, cutoff: f64, reach: f64) -> Vec<f32> {
    let count = 2 * reach as usize;
    let weights: Vec<f64> = (0..count)
        .map(|tap| {
            let x = tap as f64 - (reach - 1.0) - offset;
            let angle = std::f64::consts::PI * x * cutoff;
            let sinc = if angle.abs() < 1e-9 {
                1.0
            } else {
                angle.sin() / angle
            };
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / reach).cos();
            if x.abs() > reach { 0.0 } else { sinc * window }
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

/// The greatest common divisor of two numbers that are not zero.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// To 16 bits; what is too loud is cut.
pub(crate) fn quantise(samples: &[f32]) -> Vec<i16> {
    samples
        .iter()
        .map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16)
        .collect()
}

/// Synthesised speech as it is kept: at one level, between 100 ms of silence. Nothing when it holds
/// no sound.
pub(crate) fn speech(samples: &[f32]) -> Option<Vec<i16>> {
    let said = trim(samples, |sample| *sample, FRAME);
    if said.is_empty() {
        return None;
    }
    let peak = said
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let gain = (LEVEL / rms(said.iter().copied())).min(PEAK / peak);
    let levelled: Vec<f32> = said.iter().map(|sample| sample * gain).collect();
    let mut kept = vec![0; LEAD];
    kept.extend(quantise(&levelled));
    kept.resize(kept.len() + LEAD, 0);
    Some(kept)
}

/// Parts of a phrase one after another: short silences where they meet, the usual ones at the ends.
pub(crate) fn join(parts: &[Vec<i16>]) -> Vec<i16> {
    let mut joined = vec![0; LEAD - SEAM];
    for part in parts {
        joined.extend_from_slice(trim(part, |sample| f32::from(*sample) / 32_768.0, SEAM));
    }
    joined.resize(joined.len() + LEAD - SEAM, 0);
    joined
}

/// `samples` without their silent ends but for `margin` samples; empty when all is silence.
fn trim<T>(samples: &[T], level: impl Fn(&T) -> f32, margin: usize) -> &[T] {
    let loud = |frame: &[T]| rms(frame.iter().map(&level)) > SILENCE;
    let Some(first) = samples.chunks(FRAME).position(&loud) else {
        return &[];
    };
    let quiet = samples
        .rchunks(FRAME)
        .take_while(|frame| !loud(frame))
        .map(<[T]>::len)
        .sum::<usize>();
    let start = (first * FRAME).saturating_sub(margin);
    let end = (samples.len() - quiet)
        .saturating_add(margin)
        .min(samples.len());
    samples.get(start..end).unwrap_or(&[])
}

/// The root of the mean square; zero for nothing.
pub(crate) fn rms(samples: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = samples.fold((0.0_f64, 0_u32), |(sum, count), sample| {
        (
            sum + f64::from(sample) * f64::from(sample),
            count.saturating_add(1),
        )
    });
    (sum / f64::from(count.max(1))).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of `hertz` at half scale, a second long.
    fn tone(hertz: f32, rate: u32) -> Vec<f32> {
        (0..rate)
            .map(|n| 0.5 * (std::f32::consts::TAU * hertz * n as f32 / rate as f32).sin())
            .collect()
    }

    #[test]
    fn what_a_telephone_carries_survives_and_what_it_does_not_is_gone() {
        for rate in [11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 6_000] {
            let kept = resample(&tone(1_000.0, rate), rate);
            assert_eq!(kept.len(), 8_000, "{rate}");
            let level = rms(kept.iter().skip(400).take(7_200).copied());
            assert!((level - 0.3536).abs() < 0.004, "{rate}: {level}");
        }
        for rate in [16_000, 22_050, 44_100] {
            let gone = resample(&tone(5_500.0, rate), rate);
            let level = rms(gone.iter().skip(400).take(7_200).copied());
            assert!(
                level < 0.003,
                "{rate}: {level} of a tone above the band is left"
            );
        }
    }

    #[test]
    fn the_pitch_stays() {
        let kept = resample(&tone(1_000.0, 22_050), 22_050);
        let crossings = kept
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count();
        assert!((998..=1_001).contains(&crossings), "{crossings}");
    }

    #[test]
    fn speech_is_levelled_between_silences() {
        let mut loud = vec![0.0; 4_000];
        loud.extend(tone(700.0, 8_000));
        loud.resize(loud.len() + 4_000, 0.0);
        let kept = speech(&loud).expect("there is sound");
        assert!(kept.iter().take(LEAD).all(|sample| *sample == 0));
        assert!((9_500..10_000).contains(&kept.len()), "{}", kept.len());
        let level = rms(kept
            .iter()
            .skip(LEAD)
            .take(8_000)
            .map(|s| f32::from(*s) / 32_768.0));
        assert!((level - 0.1).abs() < 0.005, "{level}");
        assert_eq!(speech(&[0.0; 8_000]), None);
        assert_eq!(speech(&[]), None);
    }

    #[test]
    fn parts_meet_with_sixty_milliseconds_between() {
        let part = speech(&tone(700.0, 8_000)).expect("there is sound");
        let joined = join(&[part.clone(), part]);
        let mut quiet = joined
            .chunks(8)
            .map(|chunk| chunk.iter().all(|s| s.abs() < 50))
            .collect::<Vec<_>>();
        while quiet.last() == Some(&true) {
            quiet.pop();
        }
        let lead = quiet.iter().take_while(|quiet| **quiet).count();
        let between = quiet.iter().skip(lead).filter(|quiet| **quiet).count();
        assert!((95..=101).contains(&lead), "{lead} ms before");
        assert!((55..=75).contains(&between), "{between} ms between");
    }
}
