// Runs small tasks, each with a channel of its own.
#pragma once

#include <string>

struct Task {
  std::string text;
  bool cancelled = false;  // the user changed their mind while it waited
};

class Runner {
 public:
  explicit Runner(bool fixed) : fixed_(fixed) {}

  // The task's output; empty when it was cancelled.
  std::string execute(const Task& task);

 private:
  const bool fixed_;
};
