// A conversation by questions and answers over ZeroMQ, and who asks what.
#pragma once

#include <string>

class Talk {
 public:
  explicit Talk(const std::string& address);
  std::string ask(const std::string& question) const;
  void end();

 private:
  void* context_;
  void* socket_;
};

class Bulletin {
 public:
  Bulletin(std::string address, const Talk& shared, bool fixed)
      : address_(std::move(address)), shared_(shared), fixed_(fixed) {}
  std::string berth(const std::string& pier) const;
  std::string tide(int hour) const;

 private:
  std::string address_;
  const Talk& shared_;
  bool fixed_;
};
