"""What tests share: places to work in, processes, and the recorder of what tests cost."""
