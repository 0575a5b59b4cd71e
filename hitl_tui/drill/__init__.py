"""The drill: bad calls and good ones, made from tools and history, that the policy judges and that nothing runs. Pure."""
