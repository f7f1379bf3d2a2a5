//! The local Altinn over real HTTP, held against what the real one does.

mod altinn {
    mod again;
    mod ages;
    mod create;
    mod data;
    mod early;
    mod events;
    mod folder;
    mod form;
    mod next_generation;
    mod out_of_reach;
    mod own_apps;
    mod process;
    mod query;
    mod storage;
    mod support;
    mod tokens;
}

mod recorded;
