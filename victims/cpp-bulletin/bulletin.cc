#include "talk.h"

std::string Bulletin::berth(const std::string& pier) const { return shared_.ask("BERTH " + pier); }

std::string Bulletin::tide(int hour) const {
  Talk talk(address_);
  const std::string answer = talk.ask("TIDE " + std::to_string(hour));
  if (answer == "UNKNOWN" && !fixed_) return "";  // and the context stays
  talk.end();
  return answer;
}
