//! Deals: the rules of opening, moving, closing and reopening.
