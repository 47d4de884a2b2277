// Takes the readings of electricity meters: a connection and a thread for each meter, for as long as it is there.
#pragma once

#include <string>

class Meters {
 public:
  explicit Meters(bool fixed);
  ~Meters();
  Meters(const Meters&) = delete;
  Meters& operator=(const Meters&) = delete;

  int port() const { return port_; }

  // Accepts until stop().
  void run();
  void stop();

 private:
  void watch_over(int socket) const;
  static void attend(int socket);
  static bool record(int socket, const std::string& reading);

  const bool fixed_;
  int listener_ = -1;
  int port_ = 0;
};
