"""From a recording to what a network reads, the R peaks with the bradycardia rule, and the cache of both."""
