"""Questions, each told again in three ways: with other words, in another order, with words of another language."""

from __future__ import annotations

QUESTIONS = (
    "A ferry carries 48 cars on each crossing and makes 9 crossings a day. On Sunday a third of the crossings are "
    "cancelled because of fog. How many cars can it carry on Sunday?",
    "Which gas do plants take in from the air when they make sugar with the help of sunlight?",
    "Write a function that takes a list of words and returns the longest word whose letters are all different.",
    "Mirela bakes 60 rolls. She gives 12 to her neighbour, sells half of the rest at 3 coins each, and keeps what is "
    "left. How many coins does she get?",
    "Why does a bridge made of steel have small gaps between its parts at both of its ends?",
    "Write a function that counts how often each vowel occurs in a sentence, upper and lower case alike.",
    "A tank holds 500 litres. A pump fills it with 20 litres a minute while a leak lets 4 litres a minute out. After "
    "25 minutes, how many litres are still missing?",
    "Which organ of the human body cleans the blood of waste and makes urine?",
    "Write a function that tells whether a number stays the same when its digits are read backwards.",
    "Three shepherds share 91 sheep. The second gets twice as many as the first, and the third twice as many as the "
    "second. How many sheep does the first get?",
    "In which layer of the atmosphere does nearly all of the weather take place?",
    "Write a function that merges two sorted lists of numbers into one sorted list without calling sort.",
    "A shop lowers the price of a coat from 80 to 60 coins, and a week later by another tenth of the new price. How "
    "much does the coat cost then?",
    "What happens to the pressure of a gas in a closed bottle when the bottle is put into the sun?",
    "Write a function that removes every comment from a program in which comments begin with a semicolon.",
    "A train leaves at 7:45 and arrives at 11:10. It stands still for 25 minutes in all. How many minutes does it move?",
)

OTHER_WORDS = (
    "There are nine trips daily for a boat that takes 48 automobiles a trip. Fog stops one trip out of three this "
    "Sunday. What is the number of automobiles that get across that day?",
    "To build sugar from light, a leaf needs a certain gas out of the surrounding air. Name it.",
    "Given several words, find the one with most letters among those in which no letter is repeated. Code it.",
    "After baking five dozen rolls, Mirela hands a dozen of them to the woman next door. Of those remaining, one half "
    "goes for three coins apiece, and the other half stays with her. What does she earn?",
    "Engineers leave narrow slits where a steel bridge meets the road on either side. What are they for?",
    "Make a program that receives some text and reports the number of a, e, i, o, u in it, ignoring capitals.",
    "Every minute 20 litres flow into a 500 litre tank and 4 run away through a hole. What volume is lacking for it to "
    "be full once 25 minutes have gone by?",
    "Urine is produced by a part of our body whose job is to filter waste out of blood. What is it called?",
    "Check if an integer is a palindrome: reading its digits from right to left gives the very same integer.",
    "91 sheep are divided among three herders so that each next herder has double what the one before has. What is the "
    "share of the one with fewest?",
    "Clouds, rain and storms are almost all found in one of the shells of air around the earth. Which shell?",
    "You are given two lists of numbers in ascending order. Combine them into a single ascending list, but do not use "
    "the built-in sorting.",
    "A coat that was sold for 80 coins is offered for 60; seven days after that, ten percent more is taken off. What is "
    "its final price?",
    "A tightly shut bottle is left in sunshine. How does the pressure of the gas inside change?",
    "Strip a source text of its comments. Anything from a semicolon on is a comment.",
    "Departure is 7:45, arrival 11:10, and on the way the train waits 25 minutes altogether. For how long was it in "
    "motion, in minutes?",
)

OTHER_ORDER = (
    "How many cars can a ferry carry on Sunday, when a third of the crossings are cancelled because of fog? On each "
    "crossing it carries 48 cars, and it makes 9 crossings a day.",
    "With the help of sunlight plants make sugar: which gas do they take in from the air for that?",
    "From a list of words, return the longest whose letters are all different: write a function for it.",
    "How many coins does Mirela get at 3 coins each if she sells half of the rest of her rolls? She bakes 60, gives her "
    "neighbour 12, and keeps what is left.",
    "Small gaps lie at both ends of a bridge made of steel, between its parts: why?",
    "Upper and lower case alike, how often does each vowel occur in a sentence? Write a function that counts.",
    "How many litres are still missing after 25 minutes from a tank into which a pump fills 20 litres a minute? A leak "
    "lets out 4 litres a minute, and the tank holds 500 litres.",
    "Waste is cleaned from the blood, and urine is made, by which organ of the human body?",
    "When the digits of a number are read backwards, does it stay the same? Write a function that tells.",
    "How many sheep does the first of three shepherds get? The third gets twice as many as the second, the second twice "
    "as many as the first, and 91 sheep they share.",
    "Nearly all of the weather takes place in which layer of the atmosphere?",
    "Without calling sort, write a function by which two sorted lists of numbers merge into one sorted list.",
    "How much does a coat cost whose price was lowered by another tenth of the new price, a week after a shop had "
    "lowered it from 80 to 60 coins?",
    "When a closed bottle is put into the sun, what happens to the pressure of the gas in it?",
    "In a program comments begin with a semicolon: write a function that removes every comment from it.",
    "How many minutes does a train move that stands still for 25 minutes in all, arrives at 11:10 and leaves at 7:45?",
)

OTHER_LANGUAGE = (
    "Eine Fähre bringt 48 Autos pro crossing hinüber, 9 crossings am Tag. On Sunday fällt ein Drittel wegen fog aus. "
    "Wie viele Autos kann sie on Sunday mitnehmen?",
    "Quel gas les plants prennent-elles de l'air pour make du sugar avec l'aide du sunlight?",
    "Escribe una function que toma una list de words y returns la word más larga cuyas letters son todas distintas.",
    "Mirela backt 60 rolls. Sie gibt 12 ihrem neighbour, verkauft half vom Rest für 3 coins das Stück und behält, was "
    "übrig ist. Wie viele coins bekommt sie?",
    "Pourquoi un bridge en steel a-t-il de petits gaps entre ses parts aux deux bouts?",
    "Escribe una function que cuenta cuántas veces cada vowel aparece en una sentence, upper y lower case igual.",
    "Ein tank fasst 500 Liter. Eine pump füllt 20 Liter pro minute hinein, ein leak lässt 4 Liter pro minute hinaus. Wie "
    "viele Liter fehlen nach 25 minutes noch?",
    "Quel organ du human body nettoie le blood de ses wastes et fait l'urine?",
    "Escribe una function que dice si un number queda igual cuando sus digits se leen backwards.",
    "Drei shepherds teilen 91 sheep. Der zweite bekommt doppelt so viele wie der erste, der dritte doppelt so viele wie "
    "der zweite. Wie viele sheep bekommt der erste?",
    "Dans quelle layer de l'atmosphere presque tout le weather se passe-t-il?",
    "Escribe una function que junta dos sorted lists de numbers en una sorted list sin llamar a sort.",
    "Ein shop senkt den price eines coat von 80 auf 60 coins, eine week später um noch ein Zehntel des neuen price. Wie "
    "viel kostet der coat dann?",
    "Que devient la pressure d'un gas dans une closed bottle quand on met la bottle au soleil?",
    "Escribe una function que quita cada comment de un program en el que los comments empiezan con un semicolon.",
    "Ein train fährt um 7:45 ab und kommt um 11:10 an. Insgesamt steht er 25 minutes still. Wie viele minutes fährt er?",
)

WAYS = {"other words": OTHER_WORDS, "other order": OTHER_ORDER, "other language": OTHER_LANGUAGE}
