//! Users, teams, sessions, secret keys.
