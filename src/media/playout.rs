//! Playing prompts and music at an even 20 ms.
