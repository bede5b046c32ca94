//! G.711 A-law and µ-law.
