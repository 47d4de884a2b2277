// Every error that has an id: what happened, why, what to do, what still works. One table, shown by
// `unclosed explain`, quoted under each error, and printed as docs/errors.md. Any thread.
//
// To add one: 1. the next free id in error_catalogue.cc, 2. run cli_test with
// UNCLOSED_UPDATE_GOLDEN=1, which writes docs/errors.md anew, 3. use the id in an Error.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace unclosed {

struct CatalogueEntry {
  std::string_view id;
  std::string_view what;
  std::string_view why;
  std::string_view fix;
  std::string_view still_works;
  ErrorKind kind;  // decides the exit code
};

std::span<const CatalogueEntry> error_catalogue();
// nullptr when there is none; ids are matched without regard to case.
const CatalogueEntry* find_in_catalogue(std::string_view id);

// The exit code for an error: usage 2, gone 3, denied 4, all that cannot be done here 5.
int exit_code(ErrorKind kind);

// The error for a person: its text, and why, fix and what still works from the catalogue.
std::string error_text(const Error& error);
// The whole catalogue as docs/errors.md.
std::string catalogue_markdown();

}  // namespace unclosed
