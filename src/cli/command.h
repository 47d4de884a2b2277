// One command of the program: its place in the tree of options, and what it does.
//
// To add one: 1. a file NAME.{h,cc} with `Command add_NAME(CLI::App& app, …)`, 2. a line in
// app.cc's table, 3. its examples in the footer of its help, 4. README.md.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace unclosed {

struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;  // gives the exit code
};

}  // namespace unclosed
