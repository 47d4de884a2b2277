#include "model/explanation.h"

namespace unclosed {

std::string_view to_string(HuntStage stage) {
  switch (stage) {
    case HuntStage::kSymptom:
      return "symptom";
    case HuntStage::kState:
      return "state";
    case HuntStage::kGrowth:
      return "growth";
    case HuntStage::kHolders:
      return "holders";
    case HuntStage::kLine:
      return "line";
  }
  return "symptom";
}

}  // namespace unclosed
