//! What an operator dials to change their own state, or presses while talking.

use std::collections::BTreeMap;

/// What an operator dials to change their own state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureCodes {
    /// Logs in, or out.
    pub login: Option<String>,
    /// Pauses, or ends the pause; followed by digits of `reasons` it names why.
    pub pause: Option<String>,
    /// Ends the paperwork.
    pub wrap_up: Option<String>,
    /// Followed by the digits of a disposition code: says it of the last talk.
    pub disposition: Option<String>,
    /// While talking: leaves what is said out of the recording, and takes it in again.
    pub mask: Option<String>,
    /// Digits to reasons for a pause.
    pub reasons: BTreeMap<String, String>,
}

impl Default for FeatureCodes {
    fn default() -> Self {
        let code = |code: &str| Some(code.to_owned());
        Self {
            login: code("*45"),
            pause: code("*46"),
            wrap_up: code("*47"),
            disposition: code("*48"),
            mask: code("*49"),
            reasons: BTreeMap::new(),
        }
    }
}
