// The desk's listener and what one worker does.
#pragma once

#include <string>

class Desk {
 public:
  explicit Desk(bool fixed);
  int port() const { return port_; }

  // Answers callers until SIGTERM; the worker's exit code.
  int work();

 private:
  void answer(int socket);
  void put_on_hold(int socket, const std::string& topic);

  const bool fixed_;
  int listener_ = -1;
  int port_ = 0;
  int on_hold_ = 0;
};
