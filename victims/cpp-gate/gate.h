// The gate of a car park: one connection for each ticket that is shown.
#pragma once

#include <string>

class Gate {
 public:
  explicit Gate(bool fixed);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  int port() const { return port_; }

  // Accepts and serves until stop().
  void run();
  void stop();

 private:
  void admit(int socket);
  void open_bar(int socket, const std::string& ticket);
  void turn_away(int socket, const std::string& why);

  const bool fixed_;
  int listener_ = -1;
  int port_ = 0;
  long opened_ = 0;
  long refused_ = 0;
};
