//! Every service says the same, however TCP cuts what is said to it.

mod splits {
    mod chat;
    mod diag;
    mod drop;
    mod files;
    mod foreign;
    mod old_clients;
    mod secret;
}
