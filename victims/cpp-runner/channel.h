// What a running task talks through: a pipe for its output, an eventfd that cancels it, an epoll that waits for both.
#pragma once

#include <string>

class Channel {
 public:
  // Throws std::system_error when the process has no descriptors left.
  static Channel open();

  // Waits for the output or the cancellation; false when it was cancelled.
  bool wait(std::string& output);

  int output_end() const { return write_; }
  void cancel();
  void close();

 private:
  int epoll_ = -1;
  int cancelled_ = -1;
  int read_ = -1;
  int write_ = -1;
};
