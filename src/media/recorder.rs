//! A stereo recording of two legs on one timeline.
