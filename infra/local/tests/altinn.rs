//! The local Altinn over real HTTP, held against what the real one does.

mod altinn {
    mod create;
    mod data;
    mod events;
    mod folder;
    mod form;
    mod own_apps;
    mod process;
    mod query;
    mod storage;
    mod support;
    mod tokens;
}
