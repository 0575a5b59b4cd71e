"""What rejections and corrections of a tool have in common, and the sentence that an agent shall read of it. Pure."""
