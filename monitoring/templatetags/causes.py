from django import template

from monitoring import cause_words

register = template.Library()
register.filter("in_words", cause_words.in_words)
