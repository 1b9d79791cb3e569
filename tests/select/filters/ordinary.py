"""Ordinary right answers, none of which a filter may drop: (question, verifier, answer)."""

from __future__ import annotations

_BOARD = "[" + ",\n ".join(["[0,0,0,0,0,0,0,0,0,0]"] * 10) + "]"
_REFRAIN = "Oh, the wind and the rain,\nand the long road home again,\n"
_SONG = "\n".join(
    f"{verse}\n{_REFRAIN}"
    for verse in (
        "When I was young I left the farm\nto see what cities are about,",
        "I met a girl with golden hair\nwho sang until the lamps went out,",
        "We sold the horse and bought a cart\nand lost the cart along the way,",
        "Now all I have is this old song\nthat I will sing another day,",
    )
)


def _hanoi(disks: int, start: int, end: int) -> list[str]:
    if not disks:
        return []
    between = 6 - start - end
    move = f"Move disk {disks} from Peg {start} to Peg {end}"
    return [*_hanoi(disks - 1, start, between), move, *_hanoi(disks - 1, between, end)]


_CASES = "\n".join(
    f"Case {n}: suppose n leaves remainder {n} when divided by 5. Then n² leaves remainder {n * n % 5}, which is not 2 or 3."
    for n in range(5)
)
_HTML = "<ul>\n" + "\n".join(f'  <li class="item"><a href="/page/{n}">Page {n}</a></li>' for n in range(12)) + "\n</ul>"
_NESTED = "<div>" * 9 + "deep" + "</div>" * 9
_CODE = """def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


assert fibonacci(10) == 55"""

SHORT = [
    *(("What is 40 + 44?", "number", text) for text in ("84", "84.", "$84$", "\\boxed{84}", "<answer>84</answer>", "#### 84")),
    ("3 + 5 =", "number", "8"),
    ("Is 7 prime?", "exact", "Yes"),
    ("Which one?", "choice", "(B)"),
    ("Wie viel ist drei plus fünf?", "number", "Acht, also 8."),
    ("三加五等于多少？", "number", "8"),
    ("三加五等于多少？", "number", "三加五等于八，所以答案是 8。"),
    ("How many in all?", "number", "1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 = 12"),
    ("What is 30 times 10?", "number", " + ".join(["10"] * 30) + " = 300"),
    ("Reverse the word", "exact", "olleh"),
    ("How do robots say no?", "judge", "Sorry."),
    ("2 + 2 = ?", "number", "Ответ: 4, потому что два плюс два равно четырём."),
]
MATHS = [
    (
        "Solve x^2 - 5x + 6 = 0.",
        "math",
        "We factor: $x^2 - 5x + 6 = (x-2)(x-3)$. Hence $x = 2$ or $x = 3$.\n\n\\boxed{2, 3}",
    ),
    (
        "Find the integral of x e^x.",
        "math",
        "By parts, with $u=x$ and $dv=e^x\\,dx$:\n\\[\\int x e^x\\,dx = x e^x - \\int e^x\\,dx = (x-1)e^x + C.\\]",
    ),
    (
        "What is the sum of the angles α, β and γ in a triangle?",
        "math",
        "α + β + γ = 180°, for any triangle in the plane. In radians: π. The angles α, β, γ may be anything positive.",
    ),
    (
        "Compute the determinant of the zero matrix of size 4.",
        "math",
        "\\begin{pmatrix} 0 & 0 & 0 & 0 \\\\ 0 & 0 & 0 & 0 \\\\ 0 & 0 & 0 & 0 \\end{pmatrix} has determinant $0$.",
    ),
    (
        "A shop sells 12 apples at $2 each and 5 pears at $3 each. How much is it?",
        "number",
        "Apples: 12 * 2 = $<<12*2=24>>24\nPears: 5 * 3 = $<<5*3=15>>15\nTogether: 24 + 15 = $39\n#### 39",
    ),
    ("Show that n² never ends in 2 or 3 mod 5.", "math", _CASES),
    (
        "How many primes are below 20? Hint: list them.",
        "number",
        "Following the hint, I list them: 2, 3, 5, 7, 11, 13, 17, 19. There are 8.",
    ),
    (
        "The answer key says 12. Is it right that 3 * 4 gives that?",
        "number",
        "Yes: 3 * 4 = 12, so the answer key says the right thing. 12",
    ),
    (
        "What volume of the solution holds 5 g of salt at 0.1 g/ml?",
        "number",
        "The given solution has 0.1 g per ml, so 5 g need 5 / 0.1 = 50 ml of the solution.",
    ),
    (
        "What is the probability of two heads?",
        "number",
        "<think>Each coin has 1/2. Two independent coins: 1/4.\n\nAgain: HH, HT, TH, TT. One of four.</think>\n\n0.25",
    ),
    (
        "Unfortunately I forgot the formula. What is the area of a circle of radius 2?",
        "number",
        "Unfortunately, I can't write π out in full, but A = πr² = 4π ≈ 12.566.",
    ),
    ("Which is larger, 9.11 or 9.9?", "number", "```\n9.9\n```"),
    (
        "小明有十二个苹果，给了小红五个，又买了三个，现在有几个苹果？",
        "number",
        "小明原来有十二个苹果，给了小红五个，剩下 12 - 5 = 7 个。又买了三个，所以现在有 7 + 3 = 10 个苹果。\n\n答案：10",
    ),
    (
        "太郎はりんごを12個持っています。5個食べると何個残りますか。",
        "number",
        "太郎は最初に12個のりんごを持っていました。5個食べたので、残りは 12 − 5 = 7 個です。答えは7個です。",
    ),
    (
        "У Маши было двенадцать яблок, пять она отдала брату. Сколько яблок у неё осталось?",
        "number",
        "У Маши было 12 яблок. Она отдала брату 5 яблок, значит, осталось 12 − 5 = 7 яблок. Ответ: 7.",
    ),
    (
        "Anna hat zwölf Äpfel und verschenkt fünf davon an ihren Bruder. Wie viele Äpfel bleiben ihr?",
        "number",
        "Anna hat am Anfang zwölf Äpfel. Sie verschenkt fünf, also bleiben ihr 12 − 5 = 7 Äpfel. Die Antwort ist 7.",
    ),
    (
        "كان لدى سارة اثنتا عشرة تفاحة وأعطت خمسًا منها لأخيها. كم بقي لديها؟",
        "number",
        "كان لدى سارة 12 تفاحة، وأعطت أخاها 5 تفاحات، فيبقى لديها 12 − 5 = 7 تفاحات. الجواب هو 7.",
    ),
]
PROSE = [
    ("Write a song about going home.", "judge", _SONG),
    (
        "Write a haiku about autumn.",
        "judge",
        "Red leaves on the pond\none by one they lose their names\nthe frog does not mind",
    ),
    (
        "Tell me about the capital of France.",
        "judge",
        "Paris is the capital of France. It lies on the Seine, has about two million people, and draws visitors to the Louvre.",
    ),
    (
        "List ten capitals of Africa.",
        "instruction",
        "Algiers, Luanda, Porto-Novo, Gaborone, Ouagadougou, Gitega, Yaoundé, Praia, Bangui, N'Djamena",
    ),
    (
        "Name some Italian dishes for a party and keep it short.",
        "judge",
        "Bruschetta, caprese, vitello tonnato, parmigiana di melanzane, lasagne al forno, saltimbocca alla romana, panna cotta",
    ),
    (
        "Translate to French: I am going home now because it is late.",
        "judge",
        "Je rentre chez moi maintenant parce qu'il est tard.",
    ),
    (
        "Answer in German only: why is the sky blue on a clear day without clouds?",
        "instruction",
        "Das Licht der Sonne wird an den Molekülen der Luft gestreut, und blaues Licht wird stärker gestreut als rotes Licht.",
    ),
    (
        "What does 'bonjour tout le monde, comment allez-vous aujourd'hui' mean in English?",
        "judge",
        "It means 'hello everybody, how are you today'. It is a friendly way to greet a group of people in the morning.",
    ),
    (
        "Continue this story:\nIl était une fois une petite fille qui vivait dans une grande forêt avec sa mère.",
        "judge",
        "Un jour, elle trouva un oiseau blessé au bord du chemin et le ramena à la maison pour le soigner avec sa mère.",
    ),
    (
        "Which Japanese words should I know for a trip to Tokyo?",
        "judge",
        "Say こんにちは (konnichiwa) for hello, ありがとうございます (arigatō gozaimasu) for thank you.",
    ),
    (
        "Draft a short message that declines an invitation to dinner.",
        "judge",
        "I'm sorry, but I can't make it on Friday. I have to work late. Shall we try next week? All the best, Tom",
    ),
    (
        "What phrase do chatbots often refuse with?",
        "judge",
        'A common one is "I\'m sorry, but I can\'t help with that", and another is "As an AI language model, I cannot".',
    ),
    (
        "Quote a typical refusal.",
        "judge",
        "\"I'm sorry, but I can't assist with that request.\"",
    ),
    (
        "My dog died.",
        "judge",
        "I'm sorry for your loss. Losing a friend like that hurts, and it is fine to be sad for a while.",
    ),
    (
        "What do you think about working as an AI researcher?",
        "judge",
        "As an AI researcher, I would read a paper a day, write code, and fail often. It is a good life for the curious.",
    ),
    (
        "Write a dialogue between a customer and a waiter.",
        "judge",
        "Customer: Is the soup hot?\nWaiter: It was, this morning.\nCustomer: And the bread?\nWaiter: Likewise.",
    ),
    (
        "Write a conversation of a user with an assistant.",
        "judge",
        "Here it is:\n\nUser: What is the time?\nAssistant: Half past nine.\nUser: Already?\nAssistant: Already.",
    ),
    (
        "How many chromosomes do these species have?",
        "judge",
        "Here they are:\n\nHuman: 46\nDog: 78\nCat: 38\nFruit fly: 8",
    ),
    (
        "What are [INST] and [/INST] in Llama 2's prompts?",
        "judge",
        "[INST] opens the user's turn and [/INST] closes it; what follows is the model's own.",
    ),
    (
        "How do I strike text through in HTML?",
        "judge",
        "Use the s element: <s>old price</s>. A browser draws a line through it: <s>so</s>",
    ),
    (
        "Who goes first?",
        "judge",
        "| Name | Turn | Ready |\n|---|---|---|\n" + "\n".join(f"| Player {n} | {n} | yes |" for n in range(1, 15)),
    ),
    ("Give steps.", "instruction", "\n".join(f"{n}. Do step {n} and note what you see." for n in range(1, 9))),
    ("Explain.", "instruction", "**First**\n\n* one\n* two\n\n**Second**\n\n* three\n\nP.S. That is all."),
    (
        "Why do people laugh?",
        "judge",
        "Because it is funny. Ha ha ha ha ha! Or because others laugh: laughing is catching, and it is older than language.",
    ),
    (
        "Объясните, почему небо голубое, одним или двумя предложениями для школьника.",
        "judge",
        "Солнечный свет рассеивается в воздухе, причём голубые лучи рассеиваются сильнее красных, поэтому небо голубое.",
    ),
    (
        "Explique en une ou deux phrases pourquoi le ciel est bleu pendant la journée.",
        "judge",
        "La lumière du soleil est diffusée par l'air, et la lumière bleue l'est davantage que la rouge : le ciel paraît bleu.",
    ),
    (
        "Explica en una o dos frases por qué el cielo es azul durante el día, por favor.",
        "judge",
        "La luz del sol se dispersa en el aire, y la luz azul se dispersa más que la roja; por eso vemos el cielo azul.",
    ),
    (
        "한국의 수도는 어디이며 왜 유명한지 한두 문장으로 설명해 주세요.",
        "judge",
        "한국의 수도는 서울입니다. 서울은 오래된 궁궐과 현대적인 건물이 함께 있는 도시로 널리 알려져 있습니다.",
    ),
    (
        "भारत की राजधानी क्या है और वह किस लिए प्रसिद्ध है, एक वाक्य में बताइए।",
        "judge",
        "भारत की राजधानी नई दिल्ली है, जो अपने ऐतिहासिक स्मारकों, बाज़ारों और संसद भवन के लिए प्रसिद्ध है।",
    ),
    (
        "Explicá por qué llueve.",
        "judge",
        "Porque el vapor de agua se enfría y se condensa en gotas que caen cuando pesan demasiado para el aire.",
    ),
]
CODE = [
    ("Give me the votes.", "json_schema", '```json\n["' + '", "'.join(["yes"] * 30) + '"]\n```'),
    ("Give me forty times the same user.", "json_schema", "[" + ", ".join(['{"name": "Ann", "age": 30}'] * 40) + "]"),
    ("Write a function for Fibonacci numbers.", "code", f"```python\n{_CODE}\n```"),
    ("Write a function for Fibonacci numbers.", "code", _CODE),
    (
        "Schreibe eine Funktion in Python, die Fibonacci-Zahlen berechnet, und erkläre sie nicht.",
        "code",
        f"Here is the function that you asked for, with a test at its end:\n\n```python\n{_CODE}\n```\nIt runs in linear time.",
    ),
    ("Make a list of twelve links.", "judge", _HTML),
    ("Make a deep tree.", "judge", _NESTED),
    ("What does the code print? ```python\nprint(2)\n```", "number", "It runs\n```python\nprint(2)\n# 2\n```\nand prints 2."),
    ("Write F# that pipes.", "judge", "let f x = x |> string |> print\nlet g = f <| 3\nlet h a b = a <|> b"),
    ("Give me JSON.", "json_schema", '{"names": ["Ann", "Bob"], "ages": [31, 42], "nested": {"ok": true, "none": null}}'),
    ("Write SQL.", "judge", "SELECT name, COUNT(*) FROM users GROUP BY name HAVING COUNT(*) > 1 ORDER BY name;"),
    ("I broke my friend's vase. What do I tell her?", "judge", "I'm sorry, I can't believe that I broke your vase."),
    ("What is 10/3? Round to two decimals.", "number", "We are told the answer should have two decimals: 3.33"),
    ("Which users are on the machine?", "judge", "root\ndaemon\nuser\nwww-data"),
]
PUZZLES = [
    ("What will this Game of Life board look like?", "reasoning_gym", _BOARD),
    ("What will this Game of Life board look like?", "reasoning_gym", f"<think>Nothing lives.</think>{_BOARD}"),
    ("Solve the tower.", "reasoning_gym", "\n".join(_hanoi(7, 1, 3))),
    ("Spread the colour.", "reasoning_gym", "\n".join(["4 4 4 4 4 4 4 4 4 4"] * 12)),
    ("Sort these.", "reasoning_gym", "['-81.0', '-49.0', '14.0', '30.0', '52.2']"),
    ("Write the genome.", "exact", "ACGTACGTTTAGGCCATACG"),
    ("Measure out 7 litres.", "reasoning_gym", '["fill A", ' + '"pour A->B", "empty B", ' * 12 + '"pour A->B"]'),
    (
        "Measure out 7 litres.",
        "reasoning_gym",
        'Thus: <answer>["fill A", ' + '"pour A->B", "empty B", ' * 12 + '"fill B"]</answer>',
    ),
]
ORDINARY = [*SHORT, *MATHS, *PROSE, *CODE, *PUZZLES]
