// Sends the mails of the queue, never one twice: an advisory lock says which worker has which mail.
#pragma once

#include <string>

#include "session.h"

class Mailer {
 public:
  Mailer(std::string dsn, bool fixed);
  ~Mailer();
  Mailer(const Mailer&) = delete;
  Mailer& operator=(const Mailer&) = delete;

  // Mails of customers who unsubscribed stay locked by this session as long as the service runs.
  void hold_back(int mail);

  bool send(int mail);
  bool is_sent(int mail);

 private:
  const std::string dsn_;
  const bool fixed_;
  PGconn* const holder_;
};
