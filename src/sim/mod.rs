//! A virtual world for the engine: network, carriers, softphones, callers, operators. Pure.
